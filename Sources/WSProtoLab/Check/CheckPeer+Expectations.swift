// SPDX-License-Identifier: Apache-2.0

import WSProto

// What a peer must do, and what it may do instead.
extension CheckPeer {
  private static let nothing = "nothing came in time"
  /// Messages of the peer's own, such as a greeting, that are passed over.
  private static let maxOthers = 50

  /// Sends a message in one frame, and expects its echo.
  func expectEcho(of opcode: Opcode, _ payload: some Sequence<UInt8>) async throws {
    let payload = Array(payload)
    await send(WireFrame(opcode, payload))
    try await expectMessage(opcode, payload)
  }

  /// Expects a message that equals what was sent. Others are the peer's own affair.
  func expectMessage(_ opcode: Opcode, _ payload: some Sequence<UInt8>) async throws {
    let payload = Array(payload)
    let expected = "the echo: \(Self.describe(opcode, payload[...], UInt64(payload.count)))"
    var other: MessageRecord?
    for _ in 0..<Self.maxOthers {
      switch try await receive() {
      case .message(let message):
        if message.opcode == opcode, message.size == UInt64(payload.count), message.content == payload {
          return
        }
        other = other ?? message
      case .frame(let frame) where frame.head.meaning == .close:
        throw failure(expected: expected, seen: Self.describe(frame))
      case .frame: continue
      case .end: throw failure(expected: expected, seen: transcript.end ?? "the end of the connection")
      case .silence: throw failure(expected: expected, seen: other.map(Self.describe) ?? Self.nothing)
      }
    }
    throw failure(expected: expected, seen: "many other messages")
  }

  /// Expects a pong with that payload (§5.5.3). Earlier pings may stay unanswered.
  func expectPong(_ payload: some Sequence<UInt8>) async throws {
    let payload = Array(payload)
    let expected = "a pong with \(payload.count) bytes: \(Escaping.hex(payload, limit: 16))"
    var seen = Self.nothing
    for _ in 0..<Self.maxOthers {
      switch try await receive() {
      case .frame(let frame) where frame.head.meaning == .pong:
        if frame.payload == payload { return }
        seen = "a pong with \(frame.payload.count) bytes: \(Escaping.hex(frame.payload, limit: 16))"
      case .frame(let frame): throw failure(expected: expected, seen: Self.describe(frame))
      case .message: continue
      case .end: throw failure(expected: expected, seen: transcript.end ?? "the end of the connection")
      case .silence: throw failure(expected: expected, seen: seen)
      }
    }
    throw failure(expected: expected, seen: seen)
  }

  /// Sends a ping and expects its pong: the connection is as it should be, whether the peer echoes or not.
  func expectAlive(_ payload: String = "still there") async throws {
    await send(WireFrame(.ping, payload.utf8))
    try await expectPong(payload.utf8)
  }

  /// Expects the peer to fail the connection (§7.1.7): by a Close, or by the end of TCP without one.
  ///
  /// - Parameters:
  ///   - code: the one that says what was wrong. Another is allowed, and noted.
  ///   - delivered: what the peer must not take for a message.
  func expectFailed(_ code: CloseReason, delivered: [UInt8]? = nil) async throws {
    let expected = "Close \(code.rawValue), or the end of TCP"
    for _ in 0..<Self.maxOthers {
      switch try await receive() {
      case .message(let message) where delivered != nil && message.content == delivered:
        throw failure(expected: expected, seen: "it was taken: \(Self.describe(message))")
      case .message: continue
      case .frame(let frame) where frame.head.meaning == .close:
        if let delivered, delivered.count >= 2, frame.payload.prefix(2) == delivered.prefix(2) {
          throw failure(expected: expected, seen: "it was taken: answered with \(Self.describe(frame))")
        }
        if let seen = frame.closeCode, seen != code {
          note("closed with \(seen.rawValue), where \(code.rawValue) says what was wrong")
        }
        if role == .client, !isWritingOver {
          await send(WireFrame(.close, frame.payload.prefix(2)))
          endOurs()
        }
        return
      case .frame(let frame) where frame.head.meaning == .pong && frame.payload == delivered:
        throw failure(expected: expected, seen: "it was taken: \(Self.describe(frame))")
      case .frame: continue
      case .end:
        note("TCP ended without a Close, as RFC 6455 §7.1.7 allows")
        return
      case .silence: throw failure(expected: expected, seen: "the connection stays open")
      }
    }
    throw failure(expected: expected, seen: "the connection goes on")
  }

  /// Expects a Close that answers ours (§5.5.1), and returns it.
  ///
  /// - Parameter orEnd: whether the end of TCP without one is allowed.
  @discardableResult
  func expectClose(orEnd: Bool = false, _ expected: String = "a Close") async throws -> FrameRecord? {
    for _ in 0..<Self.maxOthers {
      switch try await receive() {
      case .frame(let frame) where frame.head.meaning == .close: return frame
      case .frame, .message: continue
      case .end where orEnd:
        note("TCP ended without a Close, as RFC 6455 §7.1.7 allows")
        return nil
      case .end: throw failure(expected: expected, seen: transcript.end ?? "the end of the connection")
      case .silence: throw failure(expected: expected, seen: Self.nothing)
      }
    }
    throw failure(expected: expected, seen: "the connection goes on")
  }

  /// Expects the answer to our Close. Its code is the same as a rule (§5.5.1); one that says that ours was wrong is not.
  func expectAnswer(to close: WireFrame) async throws {
    guard let answer = try await expectClose("a Close in answer") else { return }
    if answer.payload.prefix(2) == close.payload.prefix(2) { return }
    if answer.closeCode == .protocolError || answer.closeCode == .invalidFramePayloadData {
      throw failure(
        expected: "a Close in answer, as a rule with the same code",
        seen: "\(Self.describe(answer)), as if it were not legal",
        severity: .should
      )
    }
    note("answered with \(Self.describe(answer))")
  }

  /// Expects the end of TCP, behind the Close frames (§7.1.1).
  func expectEnd() async throws {
    for _ in 0..<Self.maxOthers {
      switch try await receive() {
      case .end: return
      case .message(let message):
        throw failure(expected: "the end of TCP", seen: "after the Close, \(Self.describe(message))")
      case .frame(let frame):
        throw failure(expected: "the end of TCP", seen: "after the Close, \(Self.describe(frame))")
      case .silence: throw failure(expected: "the end of TCP", seen: "the connection stays open")
      }
    }
  }

  // MARK: Words

  static func describe(_ frame: FrameRecord) -> String {
    if let code = frame.closeCode {
      let reason = frame.closeReason.map { " " + shownInQuotes($0) } ?? ""
      return code == .noStatusRcvd ? "a Close without a code" : "Close \(code.rawValue)\(reason)"
    }
    return "a \(frame.head.opcodeName) frame of \(frame.head.payloadLength) bytes"
  }

  static func describe(_ message: MessageRecord) -> String {
    describe(message.opcode ?? .continuation, message.content[...], message.size)
  }

  static func describe(_ opcode: Opcode, _ content: ArraySlice<UInt8>, _ size: UInt64) -> String {
    let shown =
      opcode == .text ? Escaping.quoted(content, limit: 40) : Escaping.hex(content, limit: 16)
    let type = opcode == .text ? "a text" : opcode == .binary ? "a binary message" : "a message"
    return "\(type) of \(size) bytes" + (size > 0 ? ", \(shown)" : "")
  }
}

extension CheckPeer {
  /// Sends frames that together are a message, and expects its echo. A peer that doesn't echo must still be there then.
  func deliver(_ frames: [WireFrame], _ opcode: Opcode, _ payload: some Sequence<UInt8>) async throws {
    await send(frames.flatMap { $0.bytes(from: role) })
    try await expectDelivered(opcode, payload)
  }

  /// Expects the echo of a message that was sent. A peer that doesn't echo must still be there.
  func expectDelivered(_ opcode: Opcode, _ payload: some Sequence<UInt8>) async throws {
    guard settings.echoes else {
      note("the peer does not echo: judged by a ping")
      return try await expectAlive()
    }
    try await expectMessage(opcode, payload)
  }
}

extension CheckPeer {
  /// Expects the echo of a large message; a peer may have a limit (§10.4), and says so by a Close.
  func expectLarge(_ payload: [UInt8]) async throws {
    guard settings.echoes else {
      note("the peer does not echo: judged by a ping")
      return try await expectAlive()
    }
    while true {
      switch try await receive() {
      case .message(let message) where message.size == UInt64(payload.count):
        if message.content == payload { return }
        throw failure(expected: "the same bytes", seen: "others: \(Self.describe(message))")
      case .frame(let frame) where frame.head.meaning == .close:
        if frame.closeCode == .protocolError || frame.closeCode == .invalidFramePayloadData {
          throw failure(expected: "the echo, or Close 1009", seen: Self.describe(frame))
        }
        return note("too large for the peer: \(Self.describe(frame))")
      case .message, .frame: continue
      case .end: return note("too large for the peer, which ended TCP")
      case .silence: throw failure(expected: "the echo of \(payload.count) bytes", seen: Self.nothing)
      }
    }
  }

  /// Expects the echoes of many texts, in order.
  func expectMessages(_ count: Int, _ payload: (Int) -> [UInt8]) async throws {
    var number = 0
    while number < count {
      let expected = "the echo of message \(number + 1) of \(count)"
      switch try await receive() {
      case .message(let message) where message.content == payload(number): number += 1
      // Another one before the first is a greeting.
      case .message where number == 0: continue
      case .message(let message): throw failure(expected: expected, seen: Self.describe(message))
      case .frame(let frame) where frame.head.meaning == .close:
        throw failure(expected: expected, seen: Self.describe(frame))
      case .frame: continue
      case .end: throw failure(expected: expected, seen: transcript.end ?? "the end of the connection")
      case .silence: throw failure(expected: expected, seen: Self.nothing)
      }
    }
  }
}
