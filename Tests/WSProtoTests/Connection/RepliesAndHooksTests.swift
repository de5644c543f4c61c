// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Automatic replies and extensions that misbehave: codes that no Close may carry, hooks that receive inside of a call
/// that sends.
@Suite struct RepliesAndHooksTests {
  typealias Door = Splits.Door

  @Test(
    "a hook that fails with a code that no Close may carry closes with 1011 (RFC 6455 §7.1.7, §7.4.1)",
    arguments: Door.allCases,
    [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] as [UInt16]
  )
  func codeThatCannotBeSent(door: Door, code: UInt16) throws {
    let closed = Event.closeConnection(CloseConnection(code: .internalError, reason: "no"))
    for role in ConnectionType.allCases {
      for (automatic, inHeader) in [(false, false), (false, true), (true, false), (true, true)] {
        let refusing = Refusing(code: CloseReason(code), inHeader: inHeader)
        let end = Connection(
          role,
          extensions: [refusing],
          configuration: Configuration(automaticReplies: automatic ? .all : [])
        )
        let frame = WireFrame(to: role, WireOpcode.binary, [1]).bytes
        var events: [Event] = []
        try door.receive(frame, on: end) { events.append($0) }
        #expect(events == [closed])
        #expect(end.failure?.code == .internalError && end.state == .remoteClosing)
        // What the event says to answer with can be sent.
        guard case .closeConnection(let close) = events.first else { continue }
        let sent = automatic ? try end.sendReplies() : try end.send(close.response())
        #expect(try RepliesTests.read(sent, from: role) == [closed])
        #expect(end.state == .closed)

        // The low-level classes pass on what the hook says, as wsproto's do.
        let low = FrameProtocol(client: role == .client, extensions: [refusing])
        low.receiveBytes(frame)
        #expect(throws: ParseFailed("no", CloseReason(code))) { try low.nextFrame() }
      }
    }
  }

  @Test(
    "no pong waits behind both Closes, even if a hook takes the second one inside of a call that fails (RFC 6455 §5.5.2)"
  )
  func closeInsideOfAPong() throws {
    for role in ConnectionType.allCases {
      let hook = Hook()
      let end = Connection(
        role,
        extensions: [Calling(hook: hook)],
        configuration: Configuration(automaticReplies: .all)
      )
      _ = try end.send(CloseConnection(code: 1000))
      try Door.owned.receive(WireFrame(to: role, WireOpcode.ping, [1]).bytes, on: end) { _ in }
      hook.action = { [unowned end] in
        try? end.receiveData(WireFrame(to: role, WireOpcode.close, closePayload(1000)).bytes)
        while end.nextEvent() != nil {}
      }
      var output: [UInt8] = [7]
      // The pong that waits goes first. When its hook has run, the connection is closed, and a pong can't be sent.
      #expect(throws: LocalProtocolError.self) { try end.send(Pong(payload: [2]), into: &output) }
      #expect(output == [7] && end.state == .closed)
      #expect(end.waitingReplyBytes == 0)
      #expect(try end.sendReplies().isEmpty)
    }
  }

  @Test(
    "a Close whose hook takes the end of the stream is written and throws nothing",
    arguments: [false, true]
  )
  func endInsideOfAClose(automatic: Bool) throws {
    for role in ConnectionType.allCases {
      let hook = Hook()
      let end = Connection(
        role,
        extensions: [Calling(hook: hook)],
        configuration: Configuration(automaticReplies: automatic ? .all : [])
      )
      if automatic {
        let close = WireFrame(to: role, WireOpcode.close, closePayload(1000))
        try Door.owned.receive(close.bytes, on: end) { _ in }
      }
      hook.action = { [unowned end] in
        try? end.receiveEndOfStream()
        while end.nextEvent() != nil {}
      }
      let sent = automatic ? try end.sendReplies() : try end.send(CloseConnection(code: 1000))
      #expect(
        try RepliesTests.read(sent, from: role) == [.closeConnection(CloseConnection(code: 1000))]
      )
      #expect(end.state == .closed)
    }
  }
}

/// Refuses every data frame with this code.
private struct Refusing: Extension {
  var name: String { "x-refusing" }
  var code: CloseReason
  /// Whether it refuses the header, or else the payload.
  var inHeader: Bool
  func enabled() -> Bool { true }

  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    if inHeader { throw ParseFailed("no", code) }
    return []
  }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    throw ParseFailed("no", code)
  }
}

/// What a hook does, once.
private final class Hook: @unchecked Sendable, Hashable {
  var action: (() -> Void)?

  static func == (left: Hook, right: Hook) -> Bool { left === right }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// Calls its hook when a frame is sent.
private struct Calling: Extension {
  var name: String { "x-calling" }
  var hook: Hook
  func enabled() -> Bool { true }

  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    hook.action.take()?()
    return (rsv, data)
  }
}
