// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

@testable import WSProtoLab

/// The proxy: any rule and any line typed at its prompt; a direction's frames with rules; a whole connection with bytes
/// from both ends.
enum FuzzProxy {
  static func run(_ input: inout Input) {
    switch input.byte() & 3 {
    case 0: words(input.rest)
    case 1: ProxiedStreams(&input).run()
    default: RelayedFrames(&input).run()
    }
  }

  /// A rule or a command, or a mistake at a place of the text in words that are safe to show.
  private static func words(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    do throws(ProxyRuleError) {
      _ = try ProxyRule(text)
    } catch {
      guard 1...(text.count + 1) ~= error.column, Told.isSafe(error.description) else {
        disagree("a mistake beside the rule", [("rule", bytes), ("error", error)])
      }
    }
    do throws(ProxyInputError) {
      _ = try ProxyInput(typed: text)
    } catch {
      if !Told.isSafe(error.description) { disagree("a message that steers", [("typed", bytes)]) }
    }
  }

  /// A rule that the input chooses.
  static func rule(_ input: inout Input) -> (text: String, rule: ProxyRule) {
    let scope = input.pick(["", "to-server ", "to-client ", "both "])
    let kind = input.pick(["", "any ", "data ", "control ", "text ", "binary ", "ping ", "close "])
    let pattern = input.pick(["", "", "/a/ ", "'*b*' ", "'?' "])
    let percent = input.pick(["", "", "50% ", "0% "])
    let text = scope + kind + pattern + percent + input.pick(lawful + unlawful)
    do throws(ProxyRuleError) { return (text, try ProxyRule(text)) } catch { fatalError("\(error)") }
  }

  /// After these, what was legal is legal still.
  static let lawful = [
    "delay 1ms", "drop", "split 1", "split 100", "coalesce", "segments 3", "duplicate", "replace 'a' 'bb'",
    "replace 'b' ''", "close 1011 'over'", "hold", "reset",
  ]
  static let unlawful = ["corrupt", "corrupt header", "corrupt header 1.3", "truncate 2"]

  static func seeds() -> [[UInt8]] {
    let texts = [
      "to-client text /a\\x41/ 10% delay 2s", "close 1011 'no'", "ping 'a*?' corrupt header 1.7",
      "replace 'a' 'b'", "/inject #1 to-server close 1000 bye", "/inject to-client binary 01 ff", "e text",
    ]
    var seeds = texts.map { [0] + Array($0.utf8) }
    for number in 0..<48 {
      var random = SeededRandom(UInt64(number) &* 331)
      seeds.append([UInt8(1 + number % 3)] + random.bytes(30 + number * 5))
    }
    return seeds
  }
}

/// One direction's frames, with rules.
struct RelayedFrames {
  private let sender: Direction
  private let deflates: Bool
  private let noContextTakeover: Bool
  private let maxHeldBytes: Int
  private let seed: UInt8
  private let split: UInt8
  private let rules: [NumberedRule]
  private let texts: [String]
  private let injects: Bool
  private let stream: [UInt8]
  /// What the receiver would get without the proxy.
  private let direct: Heard

  init(_ input: inout Input) {
    let choice = input.byte()
    sender = choice & 1 == 0 ? .fromClient : .fromServer
    deflates = choice & 2 != 0
    noContextTakeover = choice & 4 != 0
    injects = choice & 0x30 == 0x30
    maxHeldBytes = input.pick([1 << 20, 1 << 20, 300, 20, 0])
    seed = input.byte()
    split = input.byte()
    let chosen = (0..<input.below(4)).map { _ in FuzzProxy.rule(&input) }
    rules = chosen.enumerated().map { NumberedRule(number: $0 + 1, rule: $1.rule) }
    texts = chosen.map(\.text)

    let receiver: ConnectionType = sender == .fromClient ? .server : .client
    let deflater = deflates ? try? DeflateStream() : nil
    var grammar = FrameGrammar(receiver: receiver, deflater: noContextTakeover ? nil : deflater)
    var direct = Heard(receiver, deflates: deflates, noContextTakeover, maxMessageBytes: 1 << 20)
    var stream: [UInt8] = []
    var count = 0
    // Up to a Close: what stands behind it has no meaning, and would get one if a rule dropped the Close.
    while !input.isEmpty, count < 30, stream.count < 1 << 17, !direct.isClosed {
      let frame = grammar.frame(&input)
      direct.receive(frame)
      stream += frame
      count += 1
    }
    self.stream = stream
    self.direct = direct
  }

  func run() {
    let whole = passed(split: 0, injects: false)
    let isLegal = direct.failure == nil
    if rules.allSatisfy({ !$0.rule.scope.includes(sender) }), whole.bytes != stream {
      fail("bytes that no rule looks at", whole, whole)
    }
    let isLawful = !texts.contains { text in FuzzProxy.unlawful.contains { text.hasSuffix($0) } }
    if isLegal, isLawful, heard(whole).failure != nil { fail("legal frames become illegal", whole, whole) }
    // Frames may change, and what arrives may be missing or there twice; nothing else arrives.
    let isKeeping = isLawful && !texts.contains { $0.hasSuffix("'") || $0.hasSuffix("hold") }
    if isLegal, isKeeping, !Set(heard(whole).told).isSubset(of: direct.told) {
      fail("something arrives that was not sent", whole, whole)
    }
    if injects {
      let injected = passed(split: split, injects: true)
      if isLegal, isLawful, heard(injected).failure != nil {
        fail("legal frames become illegal by others", injected, injected)
      }
      return
    }
    let inPieces = passed(split: split, injects: false)
    // Inflated fragments end where pieces do, and what is broken breaks there.
    if deflates {
      guard isLegal, isLawful else { return }
      if heard(whole).told != heard(inPieces).told { fail("pieces matter", whole, inPieces) }
    } else if whole != inPieces {
      fail("pieces matter", whole, inPieces)
    }
  }

  private struct Passed: Equatable {
    var bytes: [UInt8] = []
    var notes: [String] = []
    var isReset = false
  }

  private func fail(_ what: String, _ whole: Passed, _ inPieces: Passed) -> Never {
    disagree(
      "proxy: \(what)",
      [
        ("rules", texts), ("sender", sender), ("deflates", deflates), ("no takeover", noContextTakeover),
        ("held", maxHeldBytes), ("split", split), ("stream", stream), ("whole", whole),
        ("in pieces", inPieces), ("heard", heard(whole)), ("heard in pieces", heard(inPieces)),
        ("direct", direct),
      ]
    )
  }

  private func heard(_ passed: Passed) -> Heard {
    var heard = Heard(
      sender == .fromClient ? .server : .client,
      deflates: deflates,
      noContextTakeover,
      maxMessageBytes: 64 << 20
    )
    heard.receive(passed.bytes)
    return heard
  }

  private func passed(split: UInt8, injects: Bool) -> Passed {
    var decisions = SeededRandom(UInt64(seed))
    var result = Passed()
    let deflate = negotiatedDeflate(
      sender == .fromClient ? .server : .client,
      noContextTakeover: noContextTakeover
    )
    var relay = FrameRelay(
      sender: sender,
      coding: deflates ? .deflate(deflate) : .plain,
      rules: rules,
      maxHeldBytes: maxHeldBytes,
      random: SeededGenerator(seed: UInt64(seed), stream: 0)
    )
    func take(_ out: inout RelayOutput) {
      for item in out.take() {
        switch item {
        case .bytes(let bytes, _, _): result.bytes += bytes
        case .note(let note): result.notes.append(note)
        case .held, .close: break
        case .reset: result.isReset = true
        }
      }
    }
    for piece in cut(stream, by: split) {
      var rest = piece
      var out = RelayOutput()
      repeat {
        relay.receive(&rest, &out)
        check(relay)
        take(&out)
        while relay.held != nil {
          let all: [HeldDecision] = [.pass, .drop, .edit([0x61, 0x62]), .edit([])]
          // An edited Close would need a code.
          let isClose = relay.held?.message.opcode == 8
          let one = all[Int.random(in: 0..<(isClose ? 2 : 4), using: &decisions)]
          relay.resolve(one, &out)
          take(&out)
        }
      } while !rest.isEmpty
      if injects {
        let kinds: [Injection] = [
          Injection(.text, [0x68]), Injection(.ping, []), Injection(.binary, [1, 2]),
          Injection(.close, [3, 232]), Injection(closing: CloseReason(1001), ""),
        ]
        // A Close is rare.
        let number = Int.random(in: 0..<40, using: &decisions)
        _ = relay.inject(kinds[number < 30 ? number % 3 : number < 38 ? 1 : number - 35], &out)
        take(&out)
      }
    }
    var out = RelayOutput()
    relay.end(&out)
    take(&out)
    return result
  }

  /// No more is held than was said.
  private func check(_ relay: FrameRelay) {
    for message in [relay.message, relay.control] {
      guard let message, message.route == .collecting else { continue }
      let frames = message.passing.frames.reduce(0) { $0 + $1.count }
      // The output for one slice of compressed input at most.
      let content = message.passing.content?.count ?? 0
      guard frames <= maxHeldBytes, content <= maxHeldBytes + (deflates ? 5 << 20 : 0) else {
        disagree("proxy: too much is held", [("frames", frames), ("content", content), ("stream", stream)])
      }
    }
    guard relay.collected.count < 14, relay.injections.count <= FrameRelay.maxInjections + 1 else {
      disagree("proxy: too much waits", [("header", relay.collected), ("stream", stream)])
    }
  }
}

/// What an end is told by the frames that it gets.
private struct Heard {
  private let connection: Connection
  private var collector = OutcomeCollector(wholeMessages: true)
  private(set) var failure: String?

  init(_ role: ConnectionType, deflates: Bool, _ noContextTakeover: Bool, maxMessageBytes: Int) {
    var limits = Limits()
    limits.maxMessageBytes = maxMessageBytes
    limits.maxMessageWireBytes = .max
    limits.maxMessageFragments = .max
    limits.maxFramePayload = .max
    connection = Connection(
      role,
      extensions: deflates ? [negotiatedDeflate(role, noContextTakeover: noContextTakeover)] : [],
      configuration: Configuration(delivery: .wholeMessages, limits: limits)
    )
  }

  var isClosed: Bool { collector.outcome.code != nil && failure == nil }

  /// The messages and control frames, in the order of their ends.
  var told: [Outcome.Entry] { collector.outcome.wholeMessages.entries }

  mutating func receive(_ bytes: [UInt8]) {
    guard collector.outcome.code == nil, failure == nil else { return }
    do {
      try connection.receiveData(bytes)
    } catch {
      if case .remote(let remote) = error { failure = remote.message }
    }
    while let event = connection.nextEvent() { collector.add(event) }
  }
}
