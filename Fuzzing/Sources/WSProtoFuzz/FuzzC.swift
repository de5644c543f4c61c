// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto
import WSProtoC
import WSProtoTestSupport

/// The C interface (Sources/CWSProto/wsproto.h), called as C calls it.
///
/// What must hold: the events of a connection in Swift; every failure has an error with words and a kind of the header,
/// every success none; all that a call has given can be read until the next one; callbacks that call back are refused;
/// everything is freed, an extension's context once.
enum FuzzC {
  static func run(_ input: inout Input) {
    if input.byte() & 3 == 0 { return compare(&input) }
    var script = CScript(&input)
    for _ in 0..<40 where !input.isEmpty { script.step(&input) }
    script.free()
  }

  /// The same frames through an endpoint of C and a connection of Swift.
  private static func compare(_ input: inout Input) {
    let choice = input.byte()
    let split = input.byte()
    let role: ConnectionType = choice & 1 == 0 ? .server : .client
    let whole = choice & 2 != 0
    // A size below 0 is no limit in C.
    let limits = Limits(&input, negative: false)
    var grammar = FrameGrammar(receiver: role)
    let stream = grammar.stream(&input)
    var configuration = CScript.configuration(limits)
    configuration.whole_messages = whole
    // All events are taken after each piece, so no limit is too small.
    configuration.max_untaken_bytes = 0
    configuration.automatic_pongs = choice & 4 != 0
    configuration.automatic_closes = choice & 8 != 0
    var replies: AutomaticReplies = []
    if choice & 4 != 0 { replies.insert(.pongs) }
    if choice & 8 != 0 { replies.insert(.closes) }
    let connection = Connection(
      role,
      configuration: Configuration(
        delivery: whole ? .wholeMessages : .chunks,
        limits: limits,
        automaticReplies: replies
      )
    )
    var collector = OutcomeCollector(wholeMessages: whole)
    withExactCopy(of: stream) { chunk in connection.receive(chunk) { event in collector.add(event) } }
    let expected = collector.finished
    guard
      let endpoint = wsproto_open_connection_new(
        Int32(role.rawValue),
        nil,
        0,
        wsproto_bytes(),
        &configuration
      )
    else { fatalError("no endpoint") }
    defer { wsproto_endpoint_free(endpoint) }
    collector = OutcomeCollector(wholeMessages: whole)
    for piece in cut(stream, by: split) {
      withExactCopy(of: piece) { chunk in
        let bytes = chunk.assumingMemoryBound(to: UInt8.self)
        if !wsproto_endpoint_receive(endpoint, bytes.baseAddress, bytes.count, nil) {
          fatalError("refused to receive")
        }
      }
      while let event = wsproto_endpoint_next_event(endpoint) { add(event.pointee, to: &collector) }
    }
    let found = collector.finished
    let failure = Int(wsproto_endpoint_failure(endpoint))
    if found != expected || failure != connection.failure.map({ Int($0.code.rawValue) }) ?? 0
      || wsproto_endpoint_state(endpoint) != Int32(connection.state.rawValue)
    {
      disagree(
        "C and Swift",
        [("stream", stream), ("limits", limits), ("found", found), ("expected", expected)]
      )
    }
    var output = wsproto_bytes()
    if !wsproto_endpoint_send_replies(endpoint, &output, nil) { fatalError("refused to reply") }
    let (inC, inSwift) = (read(output), (try? connection.sendReplies()) ?? [0])
    // A client's masks are random.
    if role == .server ? inC != inSwift : inC.count != inSwift.count {
      disagree("replies in C and Swift", [("stream", stream), ("C", inC), ("Swift", inSwift)])
    }
    if wsproto_endpoint_state(endpoint) != Int32(connection.state.rawValue) {
      disagree("the state after the replies", [("stream", stream)])
    }
  }

  private static func add(_ event: wsproto_event, to collector: inout OutcomeCollector) {
    let bytes = Array(UnsafeBufferPointer(start: event.data.data, count: event.data.count))
    switch Int(event.kind) {
    case WSPROTO_TEXT_MESSAGE, WSPROTO_BYTES_MESSAGE:
      collector.message(
        text: Int(event.kind) == WSPROTO_TEXT_MESSAGE,
        bytes,
        frameFinished: event.frame_finished,
        messageFinished: event.message_finished
      )
    case WSPROTO_PING: collector.control(.ping(bytes))
    case WSPROTO_PONG: collector.control(.pong(bytes))
    case WSPROTO_CLOSE_CONNECTION: collector.end(UInt16(event.code), String(decoding: bytes, as: UTF8.self))
    default: fatalError("an event of the handshake")
    }
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(99)
    var seeds = (0..<192).map { number in [UInt8(number & 3)] + random.bytes(24 + number % 200) }
    // A handshake and what follows, role by role.
    for role in 0..<8 {
      seeds.append([1, UInt8(role)] + (0..<120).map { UInt8(truncatingIfNeeded: $0 * 5 + role) })
    }
    return seeds
  }
}
