// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

@testable import WSProtoLab

/// The core as the other end of a connection, in memory: it echoes. What it has nothing to say to is a time-out at once.
final class CorePeer: CheckPipe, @unchecked Sendable {
  // Unchecked: one case uses it, in one task.
  private let connection: WSConnection
  private var output: [UInt8] = []
  private var isOver = false
  private let echoes: Bool
  /// The last whole text that came.
  private(set) var lastText = ""

  init(_ role: ConnectionType, echoes: Bool = true, target: String = "/") throws {
    self.echoes = echoes
    connection = WSConnection(role)
    guard role == .client else { return }
    let request = Request(
      host: "example.com",
      target: target,
      extensions: [PerMessageDeflate()],
      subprotocols: ["chat"]
    )
    output = try connection.send(request)
  }

  func write(_ bytes: [UInt8]) async throws {
    guard !isOver else { throw LocalProtocolError("closed", .state(.closed)) }
    take { () throws(ProtocolError) in try connection.receiveData(bytes) }
  }

  func finish() async throws {
    if !isOver { take { () throws(ProtocolError) in try connection.receiveEndOfStream() } }
    isOver = true
  }

  func read(within limit: Duration) async -> CheckReading {
    if !output.isEmpty {
      defer { output = [] }
      return .bytes(output)
    }
    return isOver ? .end : .timedOut
  }

  func close() { isOver = true }

  private func take(_ step: () throws(ProtocolError) -> Void) {
    do throws(ProtocolError) {
      try step()
    } catch {
      if case .remote(let error) = error, let answer = error.eventHint {
        output += (try? connection.send(answer)) ?? []
      }
      isOver = true
      return
    }
    while let event = connection.nextEvent() { try? answer(event) }
    if connection.state == .closed { isOver = true }
  }

  private func answer(_ event: Event) throws(LocalProtocolError) {
    switch event {
    case .request:
      try connection.send(AcceptConnection(extensions: [PerMessageDeflate()]), into: &output)
    case .textMessage(let message):
      lastText = message.data
      try echo(message)
    case .bytesMessage(let message): try echo(message)
    case .ping(let ping): try connection.send(ping.response(), into: &output)
    case .closeConnection(let close):
      if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
      isOver = true
    case .rejectConnection: isOver = true
    case .acceptConnection, .rejectData, .pong: break
    }
  }

  private func echo(_ message: some EventConvertible) throws(LocalProtocolError) {
    if echoes, connection.state == .open { try connection.send(message, into: &output) }
  }
}
