// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProto

/// What did not go as it should.
struct DemoFailure: Error {
  var step: DemoStep
  var reason: String
}

/// The steps of the demonstration, in their order.
enum DemoStep: String, CaseIterable {
  case handshake, text, binary, fragmented, compressed, ping, close
}

/// The client of the demonstration: does one step after the other and checks what comes back.
struct DemoClient {
  private let socket: Socket
  private let host: String
  private let printer: DemoPrinter
  private let connection = WSConnection(.client)
  /// Read from the socket, not yet given to the connection.
  private var input: [UInt8] = []
  private var step = DemoStep.handshake

  private(set) var bytesOut = 0
  private(set) var bytesIn = 0

  init(_ socket: Socket, host: String, printer: DemoPrinter) {
    self.socket = socket
    self.host = host
    self.printer = printer
  }

  /// All steps; what failed, if anything did.
  mutating func run() -> DemoFailure? {
    defer { socket.close() }
    do {
      for step in DemoStep.allCases {
        self.step = step
        printer.begin(step)
        try perform(step)
        printer.passed(step)
      }
      return nil
    } catch let failure as DemoFailure {
      return failure
    } catch {
      return DemoFailure(step: step, reason: "\(error)")
    }
  }

  private mutating func perform(_ step: DemoStep) throws {
    switch step {
    case .handshake:
      try send(Request(host: host, target: "/demo", extensions: [PerMessageDeflate()]))
      guard case .acceptConnection(let accept) = try receive().events.first, connection.state == .open else {
        throw failure("the server did not accept")
      }
      guard accept.extensions.map(\.name) == ["permessage-deflate"] else {
        throw failure("the server did not accept permessage-deflate")
      }
    case .text:
      try echo(["Hello, 世界 👋"])
    case .binary:
      try echo([Bytes((0...255).map { UInt8($0) })])
    case .fragmented:
      try echo(["A message ", "in three ", "frames"])
    case .compressed:
      try echo([Self.repetitive], compress: true)
    case .ping:
      let ping = Ping(payload: Bytes("still there?"))
      try send(ping)
      guard try receive().events == [.pong(ping.response())] else { throw failure("the pong differs") }
    case .close:
      let close = CloseConnection(code: .normalClosure, reason: "that was all")
      try send(close)
      guard try receive().events == [.closeConnection(close)] else { throw failure("the close differs") }
      guard connection.state == .closed else { throw failure("the connection is not closed") }
      guard try readMore() == 0 else { throw failure("bytes came after the close") }
    }
  }

  /// JSON as a service would send it again and again.
  private static let repetitive =
    "["
    + (1...48).map { "{\"id\":\($0),\"kind\":\"reading\",\"unit\":\"°C\",\"value\":\($0 * 37 % 400).5}" }
    .joined(separator: ",") + "]"

  // MARK: Messages

  /// Sends `parts` as the frames of one message, and takes the message back.
  private mutating func echo<Payload: DemoPayload>(_ parts: [Payload], compress: Bool = false) throws {
    for (index, part) in parts.enumerated() {
      let isLast = index == parts.count - 1
      let sent = try send(part.event(messageFinished: isLast, compress: compress))
      if compress, sent >= part.size { throw failure("the message was not compressed") }
    }
    var received = Payload.empty
    while true {
      let unit = try receive()
      for event in unit.events {
        guard let (data, messageFinished) = Payload.part(in: event) else {
          throw failure("something else came back")
        }
        received.append(data)
        if messageFinished {
          if compress, unit.wireBytes >= received.size { throw failure("the answer was not compressed") }
          let expected = parts.reduce(into: Payload.empty) { $0.append($1) }
          if received != expected { throw failure("the message came back changed") }
          return
        }
      }
    }
  }

  private func failure(_ reason: String) -> DemoFailure { DemoFailure(step: step, reason: reason) }

  // MARK: The wire

  /// Sends one event; how many bytes it took.
  @discardableResult
  private mutating func send(_ event: some EventConvertible) throws -> Int {
    let wire = try connection.send(event)
    printer.show(step, .out, [event.event], wire)
    try socket.write(wire)
    bytesOut += wire.count
    return wire.count
  }

  /// The events of the next unit on the wire, a head or a frame. Given to the connection one at a time, so that its
  /// bytes can be shown beside what they mean.
  private mutating func receive() throws -> (events: [Event], wireBytes: Int) {
    var length = unitLength()
    while length == nil {
      if try readMore() == 0 { throw failure("the server has closed the connection") }
      length = unitLength()
    }
    let wire = Array(input.prefix(length ?? 0))
    input.removeFirst(wire.count)
    try connection.receiveData(wire)
    let events = Array(connection.events())
    printer.show(step, .in, events, wire)
    return (events, wire.count)
  }

  private mutating func readMore() throws -> Int {
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    let count = try socket.read(into: &buffer) ?? 0
    input += buffer[..<count]
    bytesIn += count
    return count
  }

  /// How many bytes of `input` are the next head or frame; `nil` if it isn't complete.
  private func unitLength() -> Int? {
    if connection.state == .connecting {
      let end = Array("\r\n\r\n".utf8)
      guard input.count >= 4 else { return nil }
      return (0...(input.count - 4)).first { input[$0..<($0 + 4)].elementsEqual(end) }.map { $0 + 4 }
    }
    // RFC 6455 §5.2; a server's frames are not masked.
    guard input.count >= 2 else { return nil }
    let short = Int(input[1] & 0x7F)
    let extended = short == 127 ? 8 : short == 126 ? 2 : 0
    guard input.count >= 2 + extended else { return nil }
    let payload = extended == 0 ? short : input[2..<(2 + extended)].reduce(0) { $0 &<< 8 | Int($1) }
    let (length, overflow) = payload.addingReportingOverflow(2 + extended)
    return !overflow && length >= 0 && input.count >= length ? length : nil
  }
}

/// A payload that the demonstration can compare.
protocol DemoPayload: Equatable {
  static var empty: Self { get }
  var size: Int { get }
  mutating func append(_ other: Self)
  func event(messageFinished: Bool, compress: Bool) -> Event
  static func part(in event: Event) -> (data: Self, messageFinished: Bool)?
}

extension String: DemoPayload {
  static var empty: String { "" }
  var size: Int { utf8.count }
  func event(messageFinished: Bool, compress: Bool) -> Event {
    .textMessage(TextMessage(data: self, messageFinished: messageFinished, compress: compress))
  }
  static func part(in event: Event) -> (data: String, messageFinished: Bool)? {
    if case .textMessage(let message) = event { (message.data, message.messageFinished) } else { nil }
  }
}

extension Bytes: DemoPayload {
  static var empty: Bytes { Bytes() }
  var size: Int { count }
  mutating func append(_ other: Bytes) { self = Bytes(Array(self) + other) }
  func event(messageFinished: Bool, compress: Bool) -> Event {
    .bytesMessage(BytesMessage(data: self, messageFinished: messageFinished, compress: compress))
  }
  static func part(in event: Event) -> (data: Bytes, messageFinished: Bool)? {
    if case .bytesMessage(let message) = event { (message.data, message.messageFinished) } else { nil }
  }
}
#endif
