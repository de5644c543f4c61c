// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// A million pings, of which nobody sends a reply.
@Suite struct PingFloodTests {
  /// How the pings come in.
  enum Way: CaseIterable {
    /// `receiveData`, and nobody takes an event.
    case ownedNotTaken
    /// Each event is taken, no reply is sent.
    case owned, borrowed, reading
  }

  /// 1,000 pings a read.
  static func read(to role: ConnectionType) -> [UInt8] {
    [UInt8](Array(repeating: WireFrame(to: role, WireOpcode.ping, [1, 2, 3, 4]).bytes, count: 1000).joined())
  }

  @Test(
    "a million pings pile nothing up, with automatic replies that nobody sends too, by any door (RFC 6455 §5.5.3)",
    .threat(16),
    arguments: Way.allCases,
    [false, true]
  )
  func flood(way: Way, replies: Bool) throws {
    let role: ConnectionType = replies ? .server : .client
    let end = Connection(role, configuration: Configuration(automaticReplies: replies ? .all : []))
    var chunk = Self.read(to: role)
    let pristine = chunk
    // A read, and what a buffer adds to it.
    let most = way == .ownedNotTaken ? Limits().maxUntakenBytes * 2 : 4 * chunk.count
    var events = 0
    var refused = 0
    var highest = 0
    func count(_ event: borrowing BorrowedEvent) {
      switch event {
      case .ping: events += 1
      case .textMessage, .bytesMessage, .pong, .closeConnection, .handshake, .handshakeFailed: break
      }
    }
    // Without replies there is nothing to pile up but events: one that is taken leaves nothing.
    let reads = replies || way == .ownedNotTaken ? 1000 : 50
    for _ in 0..<reads {
      switch way {
      case .ownedNotTaken: do { try end.receiveData(pristine) } catch { refused += 1 }
      case .owned:
        try end.receiveData(pristine)
        while end.nextEvent() != nil { events += 1 }
      case .borrowed:
        chunk = pristine
        end.receive(&chunk, count: chunk.count, count)
      case .reading:
        _ = end.receive(
          upTo: pristine.count,
          reading: { room in
            room.copyBytes(from: pristine)
            return pristine.count
          },
          count
        )
      }
      highest = max(highest, UntakenEventsTests.held(end))
    }
    #expect(events == (way == .ownedNotTaken ? 0 : reads * 1000) && refused == 0)
    #expect(highest <= most, "\(highest) bytes are held")
    // Of a million pings, one pong.
    let pong = replies && way != .ownedNotTaken ? 6 : 0
    #expect(end.waitingReplyBytes == pong)
    #expect(try end.sendReplies().count == pong)
  }

  @Test(
    "a million pings that nobody takes stop at the bound that was set, and stay there",
    .threat(16),
    arguments: [false, true]
  )
  func bound(wraps: Bool) throws {
    for role in ConnectionType.allCases {
      let end = try UntakenEventsTests.end(role, wraps: wraps, UntakenEventsTests.configuration(64 << 10))
      let chunk = Self.read(to: role)
      var accepted = 0
      for _ in 0..<1000 {
        do throws(ProtocolError) {
          try end.receiveData(chunk)
          accepted += 1
        } catch {
          guard case .local(let refusal) = error else { throw error }
          #expect(refusal.violation == .eventsNotTaken(limit: 64 << 10))
        }
        #expect(UntakenEventsTests.held(end) <= 4 * (64 << 10))
      }
      #expect(accepted == (64 << 10) / chunk.count + 1)
      var events = 0
      while let event = end.nextEvent() { if case .ping = event { events += 1 } }
      #expect(events == accepted * 1000 && end.state == .open)
    }
  }
}
