// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What the frames of the two directions say together: pings and their pongs, requests and their answers, the closing
/// handshake.
struct Exchange {
  private struct Ping {
    var payload: [UInt8]
    var time: CaptureTime?
  }

  /// One direction.
  private struct Side {
    /// Pings that have no pong yet; the oldest first.
    var pings: [Ping] = []
    var hasForgottenPings = false
    /// The last message, until the other end answers.
    var unanswered: CaptureTime?
    var closeOffset: Int?
    var hasFrames = false
  }

  private var sides = [Side(), Side()]
  /// Pings that are remembered; a peer that answers none must not cost memory.
  private static let maxPings = 64

  /// A frame of one direction. Fills in what the other direction adds to it.
  mutating func observe(_ frame: inout FrameRecord, _ index: Int, _ time: CaptureTime?) -> [Finding] {
    sides[index].hasFrames = true
    switch frame.head.meaning {
    case .ping:
      if sides[index].pings.count == Self.maxPings {
        sides[index].pings.removeFirst()
        sides[index].hasForgottenPings = true
      }
      sides[index].pings.append(Ping(payload: frame.payload, time: time))
    case .pong: return answer(&frame, by: index, time)
    case .close: sides[index].closeOffset = sides[index].closeOffset ?? frame.offset
    default: break
    }
    return []
  }

  /// A pong answers the latest ping with its payload, and all before that one (RFC 6455 §5.5.3).
  private mutating func answer(_ frame: inout FrameRecord, by index: Int, _ time: CaptureTime?) -> [Finding] {
    let payload = frame.payload
    guard let match = sides[1 - index].pings.lastIndex(where: { $0.payload == payload }) else {
      if sides[1 - index].hasForgottenPings { return [] }
      return [
        .oddity("unsolicited-pong", "RFC 6455 §5.5.3", at: frame.offset, "a pong that answers no ping")
      ]
    }
    if let time, let sent = sides[1 - index].pings[match].time { frame.roundTrip = time.since(sent) }
    sides[1 - index].pings.removeFirst(match + 1)
    return []
  }

  /// A message of one direction.
  mutating func observe(_ message: inout MessageRecord, _ index: Int, _ time: CaptureTime?) {
    if let time, let asked = sides[1 - index].unanswered { message.answerTime = time.since(asked) }
    sides[1 - index].unanswered = nil
    sides[index].unanswered = time
  }

  /// The connection is over. What is odd about its end, and in which direction; `nil` for both.
  func closing(_ end: ConnectionEnd) -> (finding: Finding, index: Int?)? {
    guard end == .finished || end == .reset else { return nil }
    switch (sides[0].closeOffset, sides[1].closeOffset) {
    case (nil, nil):
      guard sides.contains(where: \.hasFrames) else { return nil }
      let words = "the connection ends without a Close: 1006 to both ends"
      return (.oddity("no-close", "RFC 6455 §7.1.5", at: 0, words), nil)
    case (let offset?, nil): return (Self.unanswered(offset), 0)
    case (nil, let offset?): return (Self.unanswered(offset), 1)
    case (.some, .some): return nil
    }
  }

  private static func unanswered(_ offset: Int) -> Finding {
    .oddity("unanswered-close", "RFC 6455 §5.5.1", at: offset, "a Close that the other end does not answer")
  }
}
