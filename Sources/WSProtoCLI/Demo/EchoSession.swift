// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

import WSProto

/// The server's side of one connection: every message goes back as it came.
struct EchoSession {
  struct Options: Sendable {
    var configuration = Configuration()
    /// Whether permessage-deflate is accepted.
    var compression = true
    /// Messages, or first parts, of fewer bytes go out uncompressed.
    var compressFrom = 0
    /// Bytes to read at once.
    var readSize = 64 << 10
    /// Seconds that the peer may be silent; 0 for any.
    var timeout = 0
    /// Speaks the first subprotocol that the client offers.
    var takesSubprotocol = true
  }

  /// What became of a connection.
  struct Outcome {
    var target = ""
    var messages = 0
    var received = 0
    var close: CloseConnection?
    var failure: String?
  }

  private let socket: Socket
  private let options: Options
  private let connection: WSConnection
  private var output: [UInt8] = []
  private var outcome = Outcome()

  init(_ socket: Socket, _ options: Options) {
    self.socket = socket
    self.options = options
    connection = WSConnection(.server, configuration: options.configuration)
  }

  /// Talks until the connection is over, then closes the socket.
  mutating func run() -> Outcome {
    if options.timeout > 0 {
      socket.set(SO_RCVTIMEO, seconds: options.timeout)
      socket.set(SO_SNDTIMEO, seconds: options.timeout)
    }
    do {
      try talk()
      socket.finish(asServer: true)
    } catch {
      if outcome.failure == nil { outcome.failure = "\(error)" }
      socket.close()
    }
    return outcome
  }

  private mutating func talk() throws {
    var buffer = [UInt8](repeating: 0, count: options.readSize)
    while connection.state != .closed {
      let count = try socket.read(into: &buffer) ?? 0
      outcome.received += count
      do throws(ProtocolError) {
        if count == 0 {
          try connection.receiveEndOfStream()
        } else {
          try connection.receiveData(buffer[..<count])
        }
      } catch {
        // The peer's request was not legal: the error knows what to answer.
        outcome.failure = error.description
        if case .remote(let error) = error, let answer = error.eventHint, count > 0 {
          try socket.write(connection.send(answer))
        }
        return
      }
      output.removeAll(keepingCapacity: true)
      while let event = connection.nextEvent() { try answer(event) }
      try socket.write(output)
      if count == 0 { return }
    }
  }

  private mutating func answer(_ event: Event) throws(LocalProtocolError) {
    switch event {
    case .request(let request):
      outcome.target = request.target
      let accept = AcceptConnection(
        subprotocol: options.takesSubprotocol ? request.subprotocols.first : nil,
        extensions: options.compression ? [PerMessageDeflate()] : []
      )
      try connection.send(accept, into: &output)
    case .textMessage(var message):
      if message.messageFinished { outcome.messages += 1 }
      message.compress = message.data.utf8.count >= options.compressFrom
      try sendIfOpen(message)
    case .bytesMessage(var message):
      if message.messageFinished { outcome.messages += 1 }
      message.compress = message.data.count >= options.compressFrom
      try sendIfOpen(message)
    case .ping(let ping):
      try connection.send(ping.response(), into: &output)
    case .closeConnection(let close):
      outcome.close = close
      if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
    case .pong, .acceptConnection, .rejectConnection, .rejectData:
      break
    }
  }

  private mutating func sendIfOpen(_ message: some EventConvertible) throws(LocalProtocolError) {
    if connection.state == .open { try connection.send(message, into: &output) }
  }
}
#endif
