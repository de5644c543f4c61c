// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// A connection of a test: our end of it and its stream. It reads on its own, so that pings and Closes are answered while the
/// test does something else; it stops reading while much waits to be taken.
actor ScenarioLink {
  typealias Instant = ContinuousClock.Instant

  private let peer: ScenarioPeer
  private let stream: any ScenarioStream
  private var outgoing: [UInt8] = []
  private var isWriting = false
  private var writeFailure: String?
  private var isGone = false
  private var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
  private var lastWaiter = 0
  /// What the last message was, for `capture`.
  private(set) var lastMessage: [UInt8]?

  /// How much may wait to be taken before reading stops.
  private static let maxWaiting = 4 << 20

  /// A client, which asks at once.
  init(
    _ stream: any ScenarioStream,
    asking request: Request,
    replies: Bool,
    inOneOrder: Bool = false
  ) throws(ScenarioFailure) {
    self.stream = stream
    peer = ScenarioPeer(.client, replies: replies, inOneOrder: inOneOrder)
    outgoing = try peer.request(request)
  }

  /// A server, which answers when it is asked.
  init(_ stream: any ScenarioStream, answering answer: ScenarioPeer.Answer) {
    self.stream = stream
    peer = ScenarioPeer(.server, replies: answer.replies, answer: answer)
  }

  func start() {
    flush()
    Task { await pump() }
  }

  var handshake: ScenarioPeer.Handshake { peer.handshake }

  var isOpen: Bool { peer.isOpen && !isGone }

  var isClient: Bool { peer.isClient }

  // MARK: Reading

  private func pump() async {
    while !isGone {
      if peer.waitingBytes > Self.maxWaiting {
        await change(until: nil)
        continue
      }
      do {
        guard let bytes = try await stream.read() else {
          outgoing += peer.end()
          break
        }
        outgoing += peer.receive(bytes)
      } catch {
        outgoing += peer.end("\(error)")
        break
      }
      flush()
      notify()
    }
    flush()
    notify()
  }

  /// The next thing that has come; `nil` if nothing comes in time.
  func next(until deadline: Instant) async -> ScenarioSeen? {
    while true {
      if let seen = peer.next() {
        switch seen {
        case .text(let bytes), .binary(let bytes): lastMessage = bytes
        default: break
        }
        notify()
        return seen
      }
      guard ContinuousClock.now < deadline else { return nil }
      await change(until: deadline)
    }
  }

  /// The next ping or pong, which have an order of their own; what has ended the connection, if nothing can come; `nil` if
  /// nothing comes in time.
  func nextControlFrame(isPing: Bool, until deadline: Instant) async -> ScenarioSeen? {
    while true {
      if let seen = peer.nextControlFrame(isPing: isPing) ?? peer.lastWord { return seen }
      guard ContinuousClock.now < deadline else { return nil }
      await change(until: deadline)
    }
  }

  /// The step after this one wants to see it.
  func putBack(_ seen: ScenarioSeen) { peer.putBack(seen) }

  // MARK: Writing

  /// Sends what a step says, and waits until it is written.
  func send(_ send: SendStep, _ variables: ScenarioVariables, until deadline: Instant)
    async throws(ScenarioFailure)
  {
    try checkIsThere()
    try await write(peer.bytes(of: send, variables), until: deadline)
  }

  func send(
    _ close: ClosePayloadStep,
    _ variables: ScenarioVariables,
    until deadline: Instant
  ) async throws(ScenarioFailure) {
    try checkIsThere()
    // Already closed by the automatic answer to the other end's Close.
    if peer.isClosed { return }
    try await write(peer.bytes(of: close, variables), until: deadline)
  }

  private func checkIsThere() throws(ScenarioFailure) {
    if isGone { throw ScenarioFailure("cannot be sent: this end has ended the connection") }
  }

  private func write(_ bytes: [UInt8], until deadline: Instant) async throws(ScenarioFailure) {
    outgoing += bytes
    flush()
    while isWriting, writeFailure == nil {
      guard ContinuousClock.now < deadline else {
        throw ScenarioFailure(
          "the other end does not read: not all of \(bytes.count) bytes could be written in time"
        )
      }
      await change(until: deadline)
    }
    if let writeFailure { throw ScenarioFailure("cannot be written: \(writeFailure)") }
  }

  /// One task writes at a time, so that bytes stay in order.
  private func flush() {
    guard !isWriting, !outgoing.isEmpty || isDone, !isGone else { return }
    isWriting = true
    Task { await writeOut() }
  }

  private func writeOut() async {
    while !outgoing.isEmpty, writeFailure == nil {
      let bytes = outgoing
      outgoing = []
      do {
        try await stream.write(bytes)
      } catch {
        writeFailure = "\(error)"
      }
    }
    // The server ends the TCP connection first (RFC 6455 §7.1.1).
    if isDone, !hasFinished {
      hasFinished = true
      await stream.finish()
    }
    isWriting = false
    notify()
  }

  private var hasFinished = false

  /// Whether this end's direction of the stream is to be ended: the server's when both Closes have passed, the client's after
  /// that.
  private var isDone: Bool { peer.isClosed && (!peer.isClient || peer.hasEnded) && !hasFinished }

  // MARK: Ending

  /// Ends the stream without a Close.
  func disconnect() async {
    guard !isGone else { return }
    isGone = true
    await stream.close()
    _ = peer.end("this end has ended it")
    notify()
  }

  func reset() async {
    guard !isGone else { return }
    isGone = true
    await stream.reset()
    _ = peer.end("this end has reset it")
    notify()
  }

  /// Ends the connection in order, if it is open, and the stream in any case.
  func finish(until deadline: Instant) async {
    if isOpen {
      let close = ClosePayloadStep(code: 1000, reason: nil)
      try? await send(close, ScenarioVariables(), until: deadline)
      waiting: while let seen = await next(until: deadline) {
        switch seen {
        case .close, .violation, .ended: break waiting
        default: continue
        }
      }
    }
    // The answer to a Close may be on its way.
    while isWriting, writeFailure == nil, ContinuousClock.now < deadline { await change(until: deadline) }
    await disconnect()
  }

  // MARK: Waiting

  /// Waits for something to change.
  private func change(until deadline: Instant?) async {
    lastWaiter += 1
    let number = lastWaiter
    let timer = deadline.map { deadline in
      Task {
        try? await Task.sleep(until: deadline, clock: .continuous)
        wake(number)
      }
    }
    await withCheckedContinuation { waiters[number] = $0 }
    timer?.cancel()
  }

  private func wake(_ number: Int) { waiters.removeValue(forKey: number)?.resume() }

  private func notify() {
    let woken = waiters
    waiters = [:]
    for waiter in woken.values { waiter.resume() }
  }
}
