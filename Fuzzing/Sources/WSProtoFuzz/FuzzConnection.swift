// SPDX-License-Identifier: Apache-2.0

/// A whole connection, driven by calls in any order: send anything, receive through any door, end the stream, with
/// extreme limits, automatic replies and extensions that refuse.
///
/// What must hold, whatever the order:
/// - the events are those of the same bytes in one piece, received by a connection that sends nothing;
/// - a call fails with a documented error only, and has then changed nothing;
/// - what is sent is what the slow twin takes, message by message, and there's no more than a pong behind a Close;
/// - automatic replies wait as `AutomaticReplies` says, and need no more room than was announced;
/// - received bytes are refused only beyond the limit of bytes whose events were not taken, and nothing is lost then;
/// - the state moves as the table says, and ends closed after an end of the stream;
/// - once all events are taken, no more memory is held than the bytes under way need.
enum FuzzConnection {
  static func run(_ input: inout Input) {
    var script = ConnectionScript(&input)
    for _ in 0..<48 where !input.isEmpty { script.step(&input) }
    script.finish()
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(7692)
    return (0..<256).map { number in
      [UInt8(truncatingIfNeeded: number), number % 3 == 0 ? 0xFF : 0] + random.bytes(40 + number % 200)
    }
  }
}
