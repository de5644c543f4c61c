// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Our end of one connection, as a case's script plays it. What the peer sends is judged by the rules that `inspect` judges
/// recordings by: a violation fails any case.
final class CheckPeer {
  /// What comes from the peer.
  enum Seen {
    case frame(FrameRecord)
    case message(MessageRecord)
    /// The peer sends nothing any more.
    case end
    case silence
  }

  /// What our end is.
  let role: ConnectionType
  var peerRole: ConnectionType { role == .client ? .server : .client }
  let settings: CheckSettings
  private let rule: CheckCase
  private let pipe: any CheckPipe
  private(set) var transcript = CheckTranscript()
  private(set) var notes: [String] = []
  /// How bad a violation of the peer's is that the case is not about.
  var violationSeverity = CheckCase.Severity.must
  /// How bad it is to refuse a request that is legal; `nil` for as bad as the rule says.
  var refusalSeverity: CheckCase.Severity?
  /// Whether a Close has gone out, or writing has failed.
  private(set) var isWritingOver = false

  private enum Arrived {
    case seen(Seen)
    case finding(Finding)
  }

  private var arrived: [Arrived] = []
  private var next = 0
  private var walker: FrameWalker?
  /// What has come before the frames.
  private var unread: [UInt8] = []
  private var hasEnded = false
  /// Whether a client's key is one that it has not sent before.
  var hasNewKey = true
  /// What the handshake has led to.
  var coding = PayloadCoding.plain
  var subprotocol: String?
  var deflate: Deflater?

  /// Messages of more bytes are not compared.
  private static let maxMessage = 4 << 20

  init(_ rule: CheckCase, _ role: ConnectionType, _ settings: CheckSettings, _ pipe: any CheckPipe) {
    self.rule = rule
    self.role = role
    self.settings = settings
    self.pipe = pipe
  }

  // MARK: Verdicts

  func note(_ text: String) {
    if !notes.contains(text) { notes.append(text) }
  }

  func failure(
    expected: String,
    seen: String,
    section: String? = nil,
    severity: CheckCase.Severity? = nil
  ) -> CheckStop {
    .failed(
      CheckFailure(
        severity: severity ?? rule.severity,
        section: section ?? rule.section,
        expected: expected,
        seen: seen
      )
    )
  }

  // MARK: Sending

  /// Sends bytes. A peer that takes no more has ended the connection, which reading shows.
  func send(_ bytes: [UInt8]) async {
    guard !isWritingOver else { return }
    transcript.add(bytes, from: role)
    do {
      try await pipe.write(bytes)
    } catch {
      isWritingOver = true
    }
  }

  func send(_ frames: WireFrame...) async {
    var bytes: [UInt8] = []
    for frame in frames { bytes += frame.bytes(from: role) }
    await send(bytes)
  }

  /// Sends each byte by itself, so that it arrives by itself.
  func drip(_ bytes: [UInt8]) async {
    for byte in bytes { await send([byte]) }
  }

  /// Ends our direction.
  func finish() async { try? await pipe.finish() }

  // MARK: Receiving

  /// Takes bytes of the handshake; `nil` at the end and where nothing has come.
  private func readMore(within limit: Duration? = nil) async -> CheckReading {
    let reading = await pipe.read(within: limit ?? settings.timeout)
    switch reading {
    case .bytes(let bytes): transcript.add(bytes, from: peerRole)
    case .end: ended("the peer has ended its direction")
    case .reset: ended("the connection was reset")
    case .timedOut: break
    }
    return reading
  }

  private func ended(_ how: String) {
    hasEnded = true
    transcript.end = transcript.end ?? how
  }

  /// The next head of HTTP; what follows it stays for the frames.
  ///
  /// - Returns: `nil` if the peer ends the connection, or says nothing, before it is complete.
  func readHead(within limit: Duration? = nil) async -> HandshakeRecord? {
    var end = HeadEnd()
    while true {
      if let count = end.find(in: unread) {
        let head = HandshakeRecord(unread.prefix(count))
        rawHead = Array(unread.prefix(count))
        unread.removeFirst(count)
        return head
      }
      if hasEnded { return nil }
      switch await readMore(within: limit) {
      case .bytes(let bytes): unread += bytes
      case .end, .reset: continue
      case .timedOut: return nil
      }
    }
  }

  /// The bytes of the head that was read last.
  private(set) var rawHead: [UInt8] = []
  /// Whether the peer has ended the connection.
  var isOver: Bool { hasEnded }

  /// Waits for the next bytes, and leaves them: whether they are a request's.
  func takesRequest() async -> Bool {
    if case .bytes(let bytes) = await readMore() { unread += bytes }
    return unread.starts(with: Array("GET ".utf8))
  }

  /// Waits for a while in which nothing is expected: whether the connection goes on.
  func wait(_ time: Duration) async -> Bool {
    if case .bytes(let bytes) = await readMore(within: time) { unread += bytes }
    return !hasEnded
  }

  /// From here on the peer's bytes are frames.
  func beginFrames() {
    var options = InspectionOptions()
    options.messageBytes = Self.maxMessage
    walker = FrameWalker(sender: peerRole, coding: coding, offset: 0, options: options)
    let bytes = unread
    unread = []
    walk { walker, each in walker.receive(bytes[...], each) }
  }

  private func walk(_ body: (inout FrameWalker, (FrameWalker.Event) -> Void) -> Void) {
    guard var walker else { return }
    // Its buffers are not copied then.
    self.walker = nil
    // The closure must not touch what `body` changes.
    var events: [Arrived] = []
    body(&walker) { event in
      switch event {
      case .sender: break
      case .frame(let frame): events.append(.seen(.frame(frame)))
      case .message(let message): events.append(.seen(.message(message)))
      case .finding(let finding): events.append(.finding(finding))
      }
    }
    self.walker = walker
    arrived += events
    // A frame may be told before what is wrong with it.
    let violation = events.first { event in
      if case .finding(let finding) = event { finding.severity == .violation } else { false }
    }
    if let violation { arrived.insert(violation, at: next) }
  }

  /// The next frame of control, or message, of the peer's. Frames of messages are not told. Its pings are answered.
  func receive(within limit: Duration? = nil) async throws -> Seen {
    while true {
      while next < arrived.count {
        let one = arrived[next]
        next += 1
        if next == arrived.count {
          arrived = []
          next = 0
        }
        switch one {
        case .finding(let finding):
          if finding.severity == .violation { throw illegal(finding) }
        case .seen(.frame(let frame)) where !frame.head.isControl: continue
        case .seen(.frame(let frame)) where frame.head.meaning == .ping:
          await send(WireFrame(.pong, frame.payload))
        case .seen(let seen): return seen
        }
      }
      if hasEnded { return .end }
      switch await readMore(within: limit) {
      case .bytes(let bytes): walk { walker, each in walker.receive(bytes[...], each) }
      case .end, .reset: continue
      case .timedOut: return .silence
      }
    }
  }

  private func illegal(_ finding: Finding) -> CheckStop {
    failure(
      expected: "only what the protocol allows",
      seen: "\(finding.message) [\(finding.rule)]",
      section: finding.section,
      severity: rule.severity == .may ? .must : violationSeverity
    )
  }

  // MARK: The end

  func endOurs() { isWritingOver = true }

  /// Says goodbye, whatever has happened, and closes the connection.
  func leave() async {
    if walker != nil, !isWritingOver, !hasEnded {
      await send(WireFrame.close(1000))
      isWritingOver = true
    }
    // A client under test goes on with its next connection when this one is over, and leaves its end to the server.
    if walker != nil, role == .server {
      await finish()
      var rounds = 0
      while !hasEnded, rounds < 8, case .bytes = await pipe.read(within: .milliseconds(250)) { rounds += 1 }
    }
    pipe.close()
  }
}
