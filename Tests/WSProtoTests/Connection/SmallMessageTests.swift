// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WSProto

/// What is compiled into the caller's module, small messages and reads of one message, must do what the library does for
/// all others: whatever has happened to the connection before.
@Suite("Small messages")
struct SmallMessageTests {
  /// Something that changes what a send may do. Each makes a server's connection, and says what a message does then.
  enum Before: CaseIterable {
    case nothing, pongWaits, partSent, compressed, hooked, closeSent, closeReceived, failed, ended

    func connection() throws -> Connection {
      switch self {
      case .compressed: return Connection(.server, extensions: [PerMessageDeflate.negotiated])
      case .hooked: return Connection(.server, extensions: [Inverting()])
      case .nothing, .pongWaits, .partSent, .closeSent, .closeReceived, .failed, .ended: break
      }
      let connection = Connection(.server, configuration: Configuration(automaticReplies: .pongs))
      var output: [UInt8] = []
      switch self {
      case .nothing, .compressed, .hooked: break
      case .pongWaits: try connection.take([0x89, 0x81, 0, 0, 0, 0, 0x2A])
      case .partSent:
        try connection.sendBytes(
          ([1] as [UInt8]).span.bytes,
          messageFinished: false,
          compress: true,
          into: &output
        )
      case .closeSent: _ = try connection.send(CloseConnection(code: .normalClosure))
      case .closeReceived: try connection.take([0x88, 0x80, 0, 0, 0, 0])
      case .failed: try connection.take([0xFF, 0x80, 0, 0, 0, 0])
      case .ended:
        try connection.receiveEndOfStream()
        while connection.nextEvent() != nil {}
      }
      return connection
    }
  }

  @Test(
    "a small message gets what the same message gets as an event, in both sinks",
    arguments: Before.allCases
  )
  func sends(before: Before) throws {
    for count in [0, 1, 7, 8, 16, 17, 63, 64, 125, 126] {
      let payload = (0..<count).map { UInt8($0 % 90 + 0x20) }
      let text = String(decoding: payload, as: UTF8.self)
      let events: [Event] = [
        .bytesMessage(BytesMessage(data: Bytes(payload))), .textMessage(TextMessage(data: text)),
      ]
      for event in events {
        let expected = outcome(of: before) { try $0.send(event, into: &$1) }
        let isText = if case .textMessage = event { true } else { false }
        #expect(
          outcome(of: before) {
            isText
              ? try $0.sendText(text.utf8Span, into: &$1) : try $0.sendBytes(payload.span.bytes, into: &$1)
          } == expected
        )
        #expect(
          outcome(of: before) { connection, output in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16384, alignment: 1)
            defer { memory.deallocate() }
            var span = OutputRawSpan(buffer: memory, initializedCount: 0)
            if isText {
              try connection.sendText(text.utf8Span, into: &span)
            } else {
              try connection.sendBytes(payload.span.bytes, into: &span)
            }
            output += memory[..<span.finalize(for: memory)]
          } == expected
        )
      }
    }
  }

  /// The bytes of a send, or its error, and the state afterwards.
  private func outcome(
    of before: Before,
    _ send: (Connection, inout [UInt8]) throws -> Void
  ) -> String {
    do {
      let connection = try before.connection()
      var output: [UInt8] = []
      do {
        try send(connection, &output)
      } catch {
        return "\(error) \(output) \(connection.state)"
      }
      // The next one is not changed by it either.
      try? connection.sendBytes(([9, 8] as [UInt8]).span.bytes, into: &output)
      return "\(output) \(connection.state)"
    } catch {
      return "cannot be prepared: \(error)"
    }
  }

  @Test(
    "a read of one message gives what the same bytes give when they are cut",
    arguments: [0, 1, 2, 16, 125, 126, 65535]
  )
  func receives(count: Int) throws {
    let payloads = [
      [UInt8](repeating: 0x61, count: count), [UInt8](repeating: 0xC3, count: count),
      Array(String(repeating: "\u{E9}", count: count / 2).utf8),
    ]
    for role in [ConnectionType.server, .client] {
      for (payload, opcode) in payloads.flatMap({
        [($0, Opcode.text), ($0, .binary), ($0, .ping), ($0, .continuation)]
      }) {
        for firstBit in [UInt8(0x80), 0x00, 0xC0] {
          let frame = Self.frame(firstBit | opcode.rawValue, payload, masked: role == .server)
          let close = Self.frame(0x88, [], masked: role == .server)
          for bytes in [frame, frame + frame, frame + close, Array(frame.dropLast()), Self.otherMask(frame)] {
            let expected = Self.events(role, bytes, cut: true, reads: false)
            #expect(Self.events(role, bytes, cut: false, reads: false) == expected)
            #expect(Self.events(role, bytes, cut: false, reads: true) == expected)
          }
        }
      }
    }
  }

  @Test("a message over a limit is refused, also if it is a read of its own", arguments: [false, true])
  func limits(reads: Bool) {
    let frame = Self.frame(0x82, [UInt8](repeating: 1, count: 20), masked: true)
    let tooSmall: [WritableKeyPath<Limits, Int>] = [
      \.maxMessageBytes, \.maxFramePayload, \.maxMessageWireBytes,
    ]
    for limit in tooSmall {
      var limits = Limits()
      limits[keyPath: limit] = 19
      let cut = Self.events(.server, frame, cut: true, reads: false, limits: limits)
      #expect(cut.contains { $0.hasPrefix("close") })
      #expect(Self.events(.server, frame, cut: false, reads: reads, limits: limits) == cut)
    }
  }

  @Test(
    "a closure that throws has taken its message, and the next read is a new one",
    arguments: [false, true]
  )
  func throwing(reads: Bool) throws {
    struct Stop: Error {}
    let connection = Connection(.server)
    let frame = Self.frame(0x82, [1, 2, 3], masked: true)
    for _ in 0..<2 {
      #expect(throws: Stop.self) {
        try Self.receive(connection, frame, reads: reads) { _ in throw Stop() }
      }
    }
    #expect(connection.takeUnreadBytes().isEmpty)
    var count = 0
    try Self.receive(connection, frame, reads: reads) { _ in count += 1 }
    #expect(count == 1)
  }

  @Test("a read that throws has taken nothing")
  func failingRead() throws {
    struct Stop: Error {}
    let connection = Connection(.server)
    #expect(throws: Stop.self) {
      try connection.receive(
        upTo: 16384,
        reading: { (_) throws(Stop) in throw Stop() },
        { (_) throws(Stop) in }
      )
    }
    var count = 0
    try Self.receive(connection, Self.frame(0x82, [1, 2, 3], masked: true), reads: true) { _ in count += 1 }
    #expect(count == 1)
  }

  // MARK: Support

  static func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool) -> [UInt8] {
    let bit: UInt8 = masked ? 0x80 : 0
    let length: [UInt8] =
      payload.count <= 125
      ? [bit | UInt8(payload.count)] : [bit | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    let key: [UInt8] = masked ? [0x5A, 0x01, 0xFF, 0x80] : []
    return [first] + length + key + (masked ? payload.enumerated().map { $1 ^ key[$0 & 3] } : payload)
  }

  private static func otherMask(_ frame: [UInt8]) -> [UInt8] {
    [frame[0], frame[1] ^ 0x80] + frame.dropFirst(2)
  }

  static func receive(
    _ connection: Connection,
    _ bytes: [UInt8],
    reads: Bool,
    _ body: (borrowing BorrowedEvent) throws -> Void
  ) throws {
    if reads {
      _ = try connection.receive(
        upTo: max(16384, bytes.count),
        reading: {
          $0.copyBytes(from: bytes)
          return bytes.count
        },
        body
      )
    } else {
      var bytes = bytes
      try bytes.withUnsafeMutableBytes { try connection.receive($0, body) }
    }
  }

  /// The events of these bytes and of the stream's end behind them. Messages are delivered whole.
  private static func events(
    _ role: ConnectionType,
    _ bytes: [UInt8],
    cut: Bool,
    reads: Bool,
    limits: Limits = Limits()
  ) -> [String] {
    let pieces = cut && bytes.count > 1 ? [Array(bytes.prefix(1)), Array(bytes.dropFirst(1))] : [bytes]
    return events(pieces, role, reads: reads, limits: limits)
  }

  static func events(
    _ pieces: [[UInt8]],
    _ role: ConnectionType = .server,
    reads: Bool,
    limits: Limits = Limits()
  ) -> [String] {
    let connection = Connection(role, configuration: Configuration(delivery: .wholeMessages, limits: limits))
    var found: [String] = []
    func take(_ event: borrowing BorrowedEvent) {
      switch event {
      case .textMessage(let message): found.append("text \(Array(String(copying: message.data).utf8))")
      case .bytesMessage(let message): found.append("binary \(Array(Bytes(copying: message.data)))")
      case .ping(let payload): found.append("ping \(Array(Bytes(copying: payload)))")
      case .pong(let payload): found.append("pong \(Array(Bytes(copying: payload)))")
      case .closeConnection(let code, let reason): found.append("close \(code) \(String(copying: reason))")
      case .handshake, .handshakeFailed: found.append("handshake")
      }
    }
    for piece in pieces { try? receive(connection, piece, reads: reads) { take($0) } }
    try? connection.receiveEndOfStream()
    try? receive(connection, [], reads: false) { take($0) }
    return found
  }
}

extension Connection {
  /// Receives bytes and takes their events.
  fileprivate func take(_ bytes: [UInt8]) throws {
    try bytes.withUnsafeBytes { try receiveData($0) }
    while nextEvent() != nil {}
  }
}

/// Sends and receives every byte inverted.
struct Inverting: Extension {
  let name = "x-inverting"
  func enabled() -> Bool { true }
  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (RsvBits, [UInt8]) {
    (rsv, data.map { ~$0 })
  }
  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    output += data.map { ~$0 }
  }
}
