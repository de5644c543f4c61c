// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

@testable import WSProtoLab

/// A whole connection through the proxy, with bytes of both ends in any pieces and any order: without rules, what comes out
/// is what went in; no more is held than may wait; both directions end; every line is safe to show, and the record can be
/// read.
struct ProxiedStreams {
  private var streams: [Direction: [UInt8]] = [:]
  private var settings: ProxySettings
  private let split: UInt8
  private let isJSON: Bool
  private let interferes: Bool
  private let seed: UInt8

  private static let both: [Direction] = [.fromClient, .fromServer]

  init(_ input: inout Input) {
    let choice = input.byte()
    var target = ProxyTarget(authority: "a", isSecure: false, path: choice & 1 == 0 ? "/" : "/b?c")
    target.keepsHost = choice & 2 == 0
    settings = ProxySettings(target: target)
    settings.maxWaitingBytes = input.pick([256 << 10, 4096, 100, 1])
    settings.maxHeldBytes = input.pick([1 << 20, 30])
    isJSON = choice & 4 == 0
    interferes = choice & 0x18 == 0x18
    if choice & 0x60 == 0x60 { for _ in 0..<2 { settings.add(FuzzProxy.rule(&input).rule) } }
    seed = input.byte()
    split = input.byte()
    var client = Input(input.bytes(Int(input.byte())))
    streams[.fromClient] = Self.stream(&client, Self.requests, to: .server, isUsual: choice & 0x80 == 0)
    streams[.fromServer] = Self.stream(&input, Self.responses, to: .client, isUsual: choice & 0x80 == 0)
  }

  private static let opening =
    "GET / HTTP/1.1\r\nHost: p\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://p\r\n"
    + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
  private static let acceptance =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

  private static let requests = [
    opening, "GET /page HTTP/1.1\r\nHost: p:1\r\n\r\n", "HEAD / HTTP/1.1\nHost: [::1]\n\n", "\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\na: b\r\n\r\n",
    "CONNECT a:1 HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: ",
  ]
  private static let responses = [
    acceptance + "\r\n", acceptance + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 x",
  ]

  /// Messages of HTTP that the input chooses, then frames and whatever it says.
  private static func stream(
    _ input: inout Input,
    _ heads: [String],
    to receiver: ConnectionType,
    isUsual: Bool
  ) -> [UInt8] {
    var bytes: [UInt8] = isUsual ? Array(heads[0].utf8) : []
    if !isUsual { for _ in 0..<input.below(5) { bytes += Array(input.pick(heads).utf8) } }
    if input.byte() & 1 == 1 { bytes += input.bytes(input.below(40)) }
    var grammar = FrameGrammar(receiver: receiver)
    return bytes + grammar.stream(&input, atMost: 12)
  }

  // MARK: The connection

  /// What the closures of a run have been told.
  private final class Seen {
    var lines: [String] = []
    var record: [UInt8] = []
  }

  private static let now = CaptureTime(nanoseconds: 1_700_000_000_000_000_000)

  func run() {
    let seen = Seen()
    var outputs = ProxyRun.Outputs { seen.lines.append($0) }
    outputs.record = { seen.record += $0 }
    outputs.entry = { seen.lines.append(String(decoding: $0, as: UTF8.self).filter { $0 != "\n" }) }
    var shown = InspectRun.Arguments()
    shown.json = isJSON
    let run = ProxyRun(settings, shown: shown, isQuiet: false, outputs)
    var state = Passing(run.open(client: .unknown, server: .unknown, at: Self.now))
    var random = SeededRandom(UInt64(seed))
    var pieces = Self.both.map { cut(streams[$0] ?? [], by: split)[...] }
    // In turns, as the seed says, until both ends have sent everything.
    while !pieces.allSatisfy(\.isEmpty) {
      let index = Int.random(in: 0...1, using: &random)
      let sender = Self.both[index]
      if state.connection.wantsInput(from: sender), let piece = pieces[index].popFirst() {
        state.receive(piece, from: sender)
        check(state)
      } else {
        state.drain(most: .max)
        run.settle(at: Self.now)
        if !state.connection.wantsInput(from: sender) {
          // It waits for a decision, or for the other end, or the connection is over.
          if state.connection.isHolding(from: sender) {
            run.endDecisions(at: Self.now)
          } else if sender == .fromServer || pieces[1].isEmpty {
            if sender == .fromServer, !state.isOver { fail("does not read the server", state) }
            pieces[index] = []
          }
        }
      }
      if interferes { interfere(run, &state, &random) }
      if Int.random(in: 0...3, using: &random) == 0 {
        state.drain(most: Int.random(in: 1...9, using: &random))
      }
    }
    finish(run, &state)
    check(seen)
  }

  private func interfere(_ run: ProxyRun, _ state: inout Passing, _ random: inout SeededRandom) {
    switch Int.random(in: 0..<60, using: &random) {
    case 0: state.connection.close(CloseReason(1001), "", at: Self.now)
    case 1: _ = state.connection.fail(from: .fromClient, at: Self.now)
    case 2...9:
      let kind = Injection.Kind.allCases[Int.random(in: 0..<4, using: &random)]
      _ = run.take(.inject(Injection(kind, [0x61]), .toClient, connection: nil), waits: true, at: Self.now)
    case 10...20:
      for sender in Self.both { state.connection.resolve(.edit([0x61]), from: sender, at: Self.now) }
    default: break
    }
  }

  private func finish(_ run: ProxyRun, _ state: inout Passing) {
    run.endDecisions(at: Self.now)
    for sender in Self.both { state.connection.end(from: sender, at: Self.now) }
    // What a decision lets go may be followed by the next one.
    for _ in 0..<4 {
      state.drain(most: .max)
      run.settle(at: Self.now)
    }
    if !state.isOver { fail("a direction does not end", state) }
    if settings.rules.isEmpty, !interferes {
      for sender in Self.both where sender == .fromServer || isIdentical {
        if state.passed[sender] != state.given[sender] { fail("bytes that no rule looks at", state) }
      }
    }
    run.close(state.connection, at: Self.now)
  }

  /// Whether requests pass as they come.
  private var isIdentical: Bool { settings.target.keepsHost && settings.target.path == "/" }

  private func check(_ state: Passing) {
    guard settings.rules.isEmpty, !interferes else { return }
    for sender in Self.both where sender == .fromServer || isIdentical {
      let waiting = (state.given[sender]?.count ?? 0) - (state.passed[sender]?.count ?? 0)
      // A head that is not complete, and the piece that was taken when there was room.
      let most = settings.maxWaitingBytes + (17 << 10) + 2 * state.largestPiece
      if waiting > most { fail("too much waits", state) }
    }
  }

  private func check(_ seen: Seen) {
    for line in seen.lines where !Told.isSafe(line) {
      disagree("a line that steers a terminal", [("line", line.debugDescription)])
    }
    let inspection = Inspection { _ in }
    do throws(CaptureError) {
      try inspection.receive(seen.record.span.bytes)
      try inspection.finish()
    } catch { disagree("a record that cannot be read", [("record", seen.record), ("error", error)]) }
  }

  private func fail(_ what: String, _ state: Passing) -> Never {
    disagree(
      "proxy: \(what)",
      [("streams", streams), ("given", state.given), ("passed", state.passed), ("ended", state.ended)]
    )
  }
}

/// What has gone in and come out.
private struct Passing {
  let connection: ProxyConnection
  var given: [Direction: [UInt8]] = [.fromClient: [], .fromServer: []]
  var passed: [Direction: [UInt8]] = [.fromClient: [], .fromServer: []]
  var ended: Set<Direction> = []
  var isReset = false
  private(set) var largestPiece = 0

  init(_ connection: ProxyConnection) { self.connection = connection }

  var isOver: Bool { isReset || ended.count == 2 }

  mutating func receive(_ bytes: ArraySlice<UInt8>, from sender: Direction) {
    given[sender, default: []] += bytes
    largestPiece = max(largestPiece, bytes.count)
    connection.receive(Array(bytes), from: sender, at: CaptureTime(nanoseconds: 0))
  }

  /// Carries out steps, up to a number of each direction's.
  mutating func drain(most: Int) {
    for sender in [Direction.fromClient, .fromServer, .fromClient] {
      var count = 0
      while count < most, let step = connection.nextStep(from: sender, at: CaptureTime(nanoseconds: 0)) {
        count += 1
        if ended.contains(sender) { disagree("proxy: a step behind the end", [("step", step)]) }
        connection.passed(step, from: sender, at: CaptureTime(nanoseconds: 0))
        switch step.action {
        case .bytes(let bytes): passed[sender, default: []] += bytes
        case .finish: ended.insert(sender)
        case .reset: isReset = true
        }
      }
    }
  }
}
