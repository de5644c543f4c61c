// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A recorded connection: its handshake, then the frames of both directions. Gets the bytes of both in the order in which
/// they were captured.
final class Conversation {
  let number: Int
  private let output: InspectionOutput
  private let endpoints: [Endpoint]
  /// Whether the capture has the connection's first byte.
  private let isComplete: Bool
  /// Whether only one direction is there.
  private let isOneSided: Bool
  /// Which of the two ends is the client.
  private var client: Int?
  private var phase = Phase.undecided
  /// The beginning of each stream, as far as it belongs to no frame.
  private var heads: [[UInt8]] = [[], []]
  private var headEnds = [HeadEnd(), HeadEnd()]
  private var walkers: [FrameWalker?] = [nil, nil]
  private var judge = HandshakeJudge()
  private var exchange = Exchange()
  private var received = [0, 0]
  private var now: CaptureTime?

  private enum Phase {
    case undecided
    case awaitingRequest
    case awaitingResponse
    case frames
    /// Not a WebSocket connection, or none any more.
    case ignored
  }

  /// The most bytes of a head, and of what comes before it can be told what the connection is.
  private static let maxHead = 64 << 10

  /// - Parameters:
  ///   - opener: who sent the first byte, as far as the capture shows.
  ///   - isComplete: whether the capture has the connection from its beginning; the opener is then the client.
  init(_ output: InspectionOutput, opener: Endpoint, other: Endpoint, isComplete: Bool) {
    number = output.nextNumber()
    self.output = output
    endpoints = [opener, other]
    self.isComplete = isComplete
    isOneSided = false
    client = isComplete ? 0 : nil
  }

  /// A file without addresses, which begins where a connection does, or its frames do.
  ///
  /// - Parameter isOneSided: whether it has one direction only, which is the first stream; else that one is the client's.
  init(_ output: InspectionOutput, isOneSided: Bool) {
    number = output.nextNumber()
    self.output = output
    endpoints = []
    isComplete = false
    self.isOneSided = isOneSided
    client = isOneSided && output.options.sender == .server ? 1 : 0
  }

  /// Whether any byte was seen.
  var hasData: Bool { received[0] + received[1] > 0 }

  // MARK: Input

  /// The next bytes of a stream.
  func receive(_ bytes: ArraySlice<UInt8>, from index: Int, at time: CaptureTime?) {
    now = time
    received[index] += bytes.count
    switch phase {
    case .frames: walk(index) { walker, each in walker.receive(bytes, each) }
    case .ignored:
      // A later request on the same connection may ask for an upgrade; requests begin segments.
      guard !endpoints.isEmpty, index == client, bytes.starts(with: Array("GET ".utf8)),
        WebSocketRequest.isLikely(bytes)
      else {
        return
      }
      heads = [[], []]
      headEnds = [HeadEnd(), HeadEnd()]
      phase = .awaitingRequest
      collect(bytes, index)
    case .undecided, .awaitingRequest, .awaitingResponse: collect(bytes, index)
    }
  }

  /// The capture doesn't have the next bytes of a stream.
  func lose(_ count: Int, from index: Int, at time: CaptureTime?) {
    now = time
    received[index] += count
    switch phase {
    case .frames: walk(index) { walker, each in walker.lose(count, each) }
    case .ignored: return
    case .undecided, .awaitingRequest, .awaitingResponse:
      report(
        .note("missing-handshake", at: 0, "\(count) bytes of the handshake are not in the capture"),
        index
      )
      open(.webSocketUnderWay)
      beginFramesUnderWay()
    }
  }

  /// A stream has ended.
  func end(of index: Int, at time: CaptureTime?) {
    now = time ?? now
    if case .frames = phase { walk(index) { walker, each in walker.finish(each) } }
  }

  /// Reports a note at the end of what has been seen of a stream.
  func note(_ rule: String, _ words: String, from index: Int, at time: CaptureTime) {
    now = time
    report(.note(rule, at: received[index], words), index)
  }

  /// Nothing more will come.
  func close(_ end: ConnectionEnd, _ transport: TransportSummary, at time: CaptureTime?) {
    now = time ?? now
    switch phase {
    case .undecided:
      let first = heads.firstIndex { !$0.isEmpty }
      if let first { decide(heads[first][...], first, isLast: true) }
    case .awaitingRequest, .awaitingResponse:
      let index = phase == .awaitingRequest ? client ?? 0 : 1 - (client ?? 0)
      report(.note("cut-off-handshake", at: 0, "the connection ends before its handshake does"), index)
    case .frames, .ignored: break
    }
    for index in 0...1 {
      if case .frames = phase { walk(index) { walker, each in walker.finish(each) } }
    }
    if case .frames = phase { reportClosing(end) }
    let order = client == 1 ? [received[1], received[0]] : received
    send(.closed(ConnectionSummary(end: end, bytes: order, transport: transport)), nil)
  }

  // MARK: What the connection is

  private func collect(_ bytes: ArraySlice<UInt8>, _ index: Int) {
    // What doesn't fit waits until it is clear whether frames have begun.
    let kept = bytes.prefix(max(0, Self.maxHead - heads[index].count))
    let rest = bytes.dropFirst(kept.count)
    received[index] -= rest.count
    defer { received[index] += rest.count }
    heads[index].append(contentsOf: kept)
    // From its beginning a connection is what its client says first; the answer may be captured before.
    if phase == .undecided, !isComplete || index == client { decide(heads[index][...], index, isLast: false) }
    while phase == .awaitingRequest || phase == .awaitingResponse {
      guard readHead() else { break }
    }
    guard phase != .ignored else {
      heads = [[], []]
      return
    }
    if phase == .frames {
      walk(index) { walker, each in walker.receive(rest, each) }
    } else if heads[index].count >= Self.maxHead {
      giveUp(.unknown)
    }
  }

  private func decide(_ start: ArraySlice<UInt8>, _ index: Int, isLast: Bool) {
    switch ProtocolGuess(start, isComplete: isComplete, isLast: isLast) {
    case .needsMore: return
    case .tls:
      client = client ?? index
      giveUp(.tls)
      let way = "set SSLKEYLOGFILE where the client runs and decrypt with it, or record with `wsproto proxy`"
      report(.note("tls", at: 0, "TLS, which cannot be read: \(way)"), nil)
    case .http2:
      client = index
      giveUp(.http2)
      report(.note("http2", at: 0, "HTTP/2, which is not decoded: record with `wsproto proxy`"), nil)
    case .request:
      client = index
      phase = .awaitingRequest
    case .response:
      client = 1 - index
      open(.webSocketUnderWay)
      phase = .awaitingResponse
    case .frames:
      open(.webSocketUnderWay)
      beginFramesUnderWay()
    case .unknown: giveUp(.unknown)
    }
  }

  private func giveUp(_ kind: ConnectionOpening.Kind) {
    open(kind)
    phase = .ignored
  }

  private func open(_ kind: ConnectionOpening.Kind) {
    let client = client ?? 0
    send(
      .opened(
        ConnectionOpening(
          kind: kind,
          client: endpoints.isEmpty ? nil : endpoints[client],
          server: endpoints.isEmpty ? nil : endpoints[1 - client]
        )
      ),
      nil
    )
  }

  // MARK: Handshake

  /// Reads the head that is awaited, if it is complete.
  private func readHead() -> Bool {
    let client = client ?? 0
    let index = phase == .awaitingRequest ? client : 1 - client
    guard let end = headEnds[index].find(in: heads[index]) else { return false }
    headEnds[index] = HeadEnd()
    let head = Array(heads[index][..<end])
    heads[index].removeFirst(end)
    if phase == .awaitingRequest {
      readRequest(head, index)
    } else {
      readResponse(head, index)
    }
    return true
  }

  private func readRequest(_ head: [UInt8], _ index: Int) {
    guard WebSocketRequest.isLikely(head[...]) else { return giveUp(.http1) }
    judge = HandshakeJudge()
    let error = judge.read(request: head)
    open(.webSocket)
    send(.request(HandshakeRecord(head[...])), index)
    if let error { report(WebSocketRequest.finding(error, in: head), index) }
    phase = .awaitingResponse
    // The answer is not there: what follows are frames, with the extensions that they show.
    if isOneSided { beginFrames(nil) }
  }

  private func readResponse(_ head: [UInt8], _ index: Int) {
    var record = HandshakeRecord(head[...])
    record.status = WebSocketRequest.status(record)
    let verdict = judge.read(response: head)
    var coding: PayloadCoding?
    if case .accepted(let subprotocol, let agreed) = verdict {
      record.subprotocol = subprotocol
      coding = agreed
    }
    record.extensions = WebSocketRequest.extensions(record)
    send(.response(record), index)
    switch verdict {
    case .accepted: break
    case .informational: return
    case .rejected:
      phase = .ignored
      return
    case .illegal(let error):
      report(WebSocketRequest.finding(error, in: head), index)
      if record.status != 101 { phase = .ignored }
    case .unjudged:
      if record.status != 101 { phase = record.status.map { $0 < 200 } == true ? phase : .ignored }
    }
    guard record.status == 101 else { return }
    if case .unknownExtension = coding {
      let names = record.extensions.joined(separator: ", ")
      report(
        .note(
          "unknown-extension",
          at: 0,
          "\(quoted(names)) is not decoded, and reserved bits are not judged"
        ),
        index
      )
    }
    beginFrames(coding)
  }

  /// Frames follow the response.
  private func beginFrames(_ coding: PayloadCoding?) {
    phase = .frames
    for index in 0...1 { begin(index, coding ?? .unknownHistory) }
  }

  /// Frames, somewhere in the connection; in a file without addresses, from the first byte on.
  private func beginFramesUnderWay() {
    phase = .frames
    if endpoints.isEmpty { learnSender() }
    for index in 0...1 { begin(index, endpoints.isEmpty ? .unknownHistory : nil) }
  }

  /// Begins with the frames of one direction; without a coding, where they begin isn't known.
  private func begin(_ index: Int, _ coding: PayloadCoding?) {
    let early = heads[index]
    heads[index] = []
    let offset = received[index] - early.count
    let sender: ConnectionType? = client.map { $0 == index ? .client : .server }
    if let sender, let coding {
      walkers[index] = FrameWalker(sender: sender, coding: coding, offset: offset, options: output.options)
    } else {
      walkers[index] = FrameWalker(searchingFor: sender, offset: offset, options: output.options)
    }
    walk(index) { walker, each in walker.receive(early[...], each) }
  }

  /// Who sends in a file without addresses: told, marked, or seen by the first frame's mask.
  private func learnSender() {
    guard isOneSided else { return }
    let isMasked = (heads[0][...].byte(1) ?? 0) & 0x80 != 0
    let sender = output.options.sender ?? (isMasked ? .client : .server)
    client = sender == .client ? 0 : 1
  }

  // MARK: Frames

  private func walk(_ index: Int, _ body: (inout FrameWalker, (FrameWalker.Event) -> Void) -> Void) {
    guard var walker = walkers[index] else { return }
    // Out of the list, so that what is reported meanwhile may use the other one.
    walkers[index] = nil
    body(&walker) { take($0, index) }
    walkers[index] = walker
  }

  private func take(_ event: FrameWalker.Event, _ index: Int) {
    switch event {
    case .sender(let sender):
      client = sender == .client ? index : 1 - index
      walkers[1 - index]?.learn(sender == .client ? .server : .client)
    case .frame(var frame):
      let found = exchange.observe(&frame, index, now)
      send(.frame(frame), index)
      for finding in found { report(finding, index) }
    case .message(var message):
      exchange.observe(&message, index, now)
      send(.message(message), index)
    case .finding(let finding): report(finding, index)
    }
  }

  private func reportClosing(_ end: ConnectionEnd) {
    if let (finding, index) = exchange.closing(end) { report(finding, index) }
  }

  // MARK: Output

  private func report(_ finding: Finding, _ index: Int?) { send(.finding(finding), index) }

  private func send(_ content: Observation.Content, _ index: Int?) {
    let direction: Direction? = index.flatMap { index in
      client.map { $0 == index ? .fromClient : .fromServer }
    }
    output.send(Observation(connection: number, direction: direction, time: now, content: content))
  }
}
