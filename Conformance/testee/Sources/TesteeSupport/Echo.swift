// SPDX-License-Identifier: Apache-2.0

import WSProto

/// How a testee uses the library.
public enum Mode: String, CaseIterable, Sendable {
  /// Owned events, whole messages.
  case whole
  /// Owned events, each part sent on as it arrives.
  case chunks
  /// Owned events, the library being fed single bytes.
  case bytes
  /// The borrowing receive path.
  case borrowed
}

/// Drives one connection over a socket and sends every message back.
public struct Echo {
  let connection: WSConnection
  let socket: Socket
  let mode: Mode
  /// What the last message said, for clients that want an answer rather than to echo.
  public private(set) var lastText = ""
  private var output: [UInt8] = []

  /// `limits` are wide enough for Autobahn's largest messages, 16 MiB.
  public init(_ type: ConnectionType, _ socket: Socket, mode: Mode) {
    self.socket = socket
    self.mode = mode
    let delivery: MessageDelivery = mode == .chunks ? .chunks : .wholeMessages
    connection = WSConnection(type, configuration: Configuration(delivery: delivery))
  }

  /// Client: sends the request, then echoes until the connection ends.
  public mutating func run(request: Request? = nil) {
    defer { socket.close() }
    if let request {
      guard let head = try? connection.send(request), socket.write(head) else { return }
    }
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    while connection.state != .closed {
      let count = socket.read(into: &buffer)
      guard count > 0, feed(&buffer, count) else { break }
    }
  }

  /// Takes `count` bytes; false when the connection is done.
  private mutating func feed(_ buffer: inout [UInt8], _ count: Int) -> Bool {
    do {
      switch mode {
      case .whole, .chunks:
        try connection.receiveData(buffer[..<count])
        try answerEvents()
      case .bytes:
        for byte in buffer[..<count] where connection.state != .closed {
          try connection.receiveData(CollectionOfOne(byte))
          try answerEvents()
        }
      case .borrowed:
        try answerBorrowed(&buffer, count)
      }
      return flush()
    } catch ProtocolError.remote(let error) {
      if let hint = error.eventHint { try? connection.send(hint, into: &output) }
      _ = flush()
      return false
    } catch {
      _ = flush()
      return false
    }
  }

  private mutating func flush() -> Bool {
    defer { output.removeAll(keepingCapacity: true) }
    return output.isEmpty || socket.write(output)
  }

  private mutating func answerEvents() throws {
    while let event = connection.nextEvent() {
      switch event {
      case .textMessage(let message):
        lastText = message.data
        try connection.send(message, into: &output)
      case .bytesMessage(let message): try connection.send(message, into: &output)
      case .ping(let ping): try connection.send(ping.response(), into: &output)
      case .closeConnection(let close):
        if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
      case .request:
        try connection.send(AcceptConnection(extensions: [PerMessageDeflate()]), into: &output)
      case .acceptConnection, .pong, .rejectConnection, .rejectData: break
      }
      if output.count > 1 << 20, !flush() { return }
    }
  }

  private mutating func answerBorrowed(_ buffer: inout [UInt8], _ count: Int) throws(LocalProtocolError) {
    var answer = output
    var text = lastText
    let connection = connection
    try connection.receive(&buffer, count: count) { (event) throws(LocalProtocolError) in
      switch event {
      case .textMessage(let part):
        text = String(copying: part.data)
        try connection.sendText(part.data, messageFinished: part.messageFinished, into: &answer)
      case .bytesMessage(let part):
        try connection.sendBytes(part.data, messageFinished: part.messageFinished, into: &answer)
      case .ping(let payload): try connection.sendPong(payload, into: &answer)
      case .pong: break
      case .closeConnection(let code, reason: let reason):
        if connection.state == .remoteClosing {
          try connection.send(
            CloseConnection(code: code, reason: String(copying: reason)).response(),
            into: &answer
          )
        }
      case .handshake(.request):
        try connection.send(AcceptConnection(extensions: [PerMessageDeflate()]), into: &answer)
      case .handshake: break
      case .handshakeFailed(let error):
        if let hint = error.eventHint { try connection.send(hint, into: &answer) }
      }
    }
    output = answer
    lastText = text
  }
}

/// The value of `--name value` or `--name=value`.
public func option(_ name: String) -> String? {
  let arguments = CommandLine.arguments
  for (index, argument) in arguments.enumerated() {
    if argument == "--\(name)", index + 1 < arguments.count { return arguments[index + 1] }
    if argument.hasPrefix("--\(name)=") { return String(argument.dropFirst(name.count + 3)) }
  }
  return nil
}
