// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// A connection through the proxy without its sockets: takes the bytes of both ends, and returns timed steps.
///
/// The owner of the sockets passes input to ``receive(_:from:at:)`` while ``wantsInput(from:)`` is `true`. It carries out
/// the steps of each direction in the order of ``nextStep(from:at:)``, none before it is due, and calls
/// ``passed(_:from:at:)`` before each. Directions are named after their sender.
package final class ProxyConnection {
  /// An action towards the receiver of a direction.
  package struct Step: Sendable, Equatable {
    package enum Action: Sendable, Equatable {
      case bytes([UInt8])
      /// Ends the direction (FIN).
      case finish
      /// Resets both connections.
      case reset
    }

    package var action: Action
    /// The earliest time for the action.
    package var due: CaptureTime
  }

  private enum Phase {
    case http(HTTPRelay)
    case frames
    /// Not HTTP/1.1. Everything passes unchanged.
    case opaque
  }

  private struct Side {
    /// Input that hasn't been processed yet.
    var pending: ArraySlice<UInt8> = []
    /// Whether the sender's stream has ended.
    var hasEnded = false
    var relay: FrameRelay?
    var steps = StepQueue()
    var lastDue = CaptureTime(nanoseconds: .min)
    /// Whether the last step of the direction has been added.
    var isFinished = false
  }

  package let number: Int
  private let settings: ProxySettings
  private let tap: ProxyTap
  private var phase: Phase
  private var sides = [Side(), Side()]
  private var now = CaptureTime(nanoseconds: 0)

  init(_ settings: ProxySettings, _ tap: ProxyTap) {
    self.settings = settings
    self.tap = tap
    number = tap.number
    phase = .http(HTTPRelay(settings.target))
  }

  private static func index(_ sender: Direction) -> Int { sender == .fromClient ? 0 : 1 }

  private static let senders: [Direction] = [.fromClient, .fromServer]

  // MARK: Input

  /// Whether to read more from a sender. `false` while too many of its bytes wait for the receiver or for a decision.
  package func wantsInput(from sender: Direction) -> Bool {
    let side = sides[Self.index(sender)]
    return !side.hasEnded && side.pending.isEmpty && side.steps.byteCount < settings.maxWaitingBytes
  }

  /// Takes the next bytes from a sender.
  package func receive(_ bytes: [UInt8], from sender: Direction, at time: CaptureTime) {
    now = time
    sides[Self.index(sender)].pending += bytes
    pump(sender)
  }

  /// A sender's stream has ended.
  package func end(from sender: Direction, at time: CaptureTime) {
    now = time
    sides[Self.index(sender)].hasEnded = true
    pump(sender)
  }

  /// A sender's connection was lost. The receiver's connection is reset after the bytes that still wait for it.
  ///
  /// - Returns: whether the caller must reset it immediately, because no step will say so.
  package func fail(from sender: Direction, at time: CaptureTime) -> Bool {
    now = time
    let index = Self.index(sender)
    sides[index].hasEnded = true
    if sides.allSatisfy(\.isFinished) { return false }
    if sides[index].isFinished { return sides[index].steps.isEmpty }
    send(.reset, from: sender)
    return false
  }

  // MARK: Output

  /// The next step of a direction; `nil` if there is none now.
  package func nextStep(from sender: Direction, at time: CaptureTime) -> Step? {
    now = time
    let index = Self.index(sender)
    guard let step = sides[index].steps.next() else { return nil }
    pump(sender)
    return step
  }

  /// Shows and records a step that is about to be carried out.
  package func passed(_ step: Step, from sender: Direction, at time: CaptureTime) {
    switch step.action {
    case .bytes(let bytes): tap.bytes(bytes, from: sender, at: time)
    case .finish: tap.finish(sender, at: time)
    case .reset: tap.close(.reset, from: sender, at: time)
    }
  }

  /// A sender has reset its connection, or the connection was lost.
  package func lost(_ sender: Direction, at time: CaptureTime) { tap.close(.reset, from: sender, at: time) }

  /// Both connections are over.
  package func closed(at time: CaptureTime) { tap.close(.finished, from: nil, at: time) }

  private func send(
    _ action: Step.Action,
    from sender: Direction,
    delay: Int64 = 0,
    segmentBytes: Int = .max
  ) {
    let index = Self.index(sender)
    guard !sides[index].isFinished else { return }
    let (due, overflow) = now.nanoseconds.addingReportingOverflow(delay)
    // The order of the stream must not change, so everything after a delayed message waits.
    let time = max(CaptureTime(nanoseconds: overflow ? .max : due), sides[index].lastDue)
    sides[index].lastDue = time
    sides[index].steps.add(Step(action: action, due: time), segmentBytes: segmentBytes)
    if action == .finish || action == .reset { sides[index].isFinished = true }
  }

  // MARK: What passes

  private func pump(_ sender: Direction) {
    let index = Self.index(sender)
    while !sides[index].pending.isEmpty, sides[index].steps.byteCount < settings.maxWaitingBytes {
      guard passSome(sender) else { break }
    }
    let side = sides[index]
    if side.hasEnded, side.pending.isEmpty, !side.isFinished, side.relay?.held == nil { finish(sender) }
  }

  /// Processes some of the pending input. Returns whether to continue.
  private func passSome(_ sender: Direction) -> Bool {
    let index = Self.index(sender)
    var input = sides[index].pending
    // Out of its place, so that it is not copied.
    sides[index].pending = []
    defer { sides[index].pending = input }
    switch phase {
    case .opaque:
      send(.bytes(Array(input)), from: sender)
      input = []
    case .http(var relay):
      let outcome = relay.receive(&input, from: sender) { send(.bytes($0), from: sender) }
      phase = .http(relay)
      switch outcome {
      case .needsInput:
        // The answer may have been what the client's next request was waiting for.
        if sender == .fromServer, !sides[0].pending.isEmpty { pump(.fromClient) }
      case .waiting: return false
      case .notHTTP: beginOpaque(&relay)
      case .upgraded(let coding): beginFrames(coding, after: sender)
      }
    case .frames:
      var out = RelayOutput()
      sides[index].relay?.receive(&input, &out)
      take(&out, from: sender)
      return sides[index].relay?.held == nil
    }
    return true
  }

  private func beginOpaque(_ relay: inout HTTPRelay) {
    for sender in Self.senders {
      let kept = relay.takeKept(of: sender)
      if !kept.isEmpty { send(.bytes(kept), from: sender) }
    }
    phase = .opaque
    // The other direction may have been waiting.
    for sender in Self.senders where !sides[Self.index(sender)].pending.isEmpty { pump(sender) }
  }

  private func beginFrames(_ coding: PayloadCoding, after sender: Direction) {
    phase = .frames
    for sender in Self.senders {
      sides[Self.index(sender)].relay = FrameRelay(
        sender: sender,
        coding: coding,
        rules: settings.rules,
        maxHeldBytes: settings.maxHeldBytes,
        random: SeededGenerator(
          seed: settings.seed,
          stream: UInt64(number) &* 2 &+ UInt64(Self.index(sender))
        )
      )
    }
    // What the client has sent without waiting for the answer.
    pump(sender == .fromServer ? .fromClient : .fromServer)
  }

  private func take(_ out: inout RelayOutput, from sender: Direction) {
    let index = Self.index(sender)
    for item in out.take() {
      switch item {
      case .bytes(let bytes, let delay, let size):
        send(.bytes(bytes), from: sender, delay: delay, segmentBytes: size)
      case .note(let words): tap.note("proxy-rule", words, from: sender, at: now)
      case .held(let message): tap.held(message, from: sender, at: now)
      case .close(let code, let reason):
        send(.finish, from: sender)
        inject(Injection(closing: code, reason), from: sender == .fromClient ? .fromServer : .fromClient)
      case .reset: send(.reset, from: sender)
      }
    }
    if sides[index].relay?.isClosed == true { send(.finish, from: sender) }
  }

  /// Ends a direction whose input has ended and has been processed.
  private func finish(_ sender: Direction) {
    switch phase {
    case .http(var relay):
      let kept = relay.takeKept(of: sender)
      phase = .http(relay)
      if !kept.isEmpty { send(.bytes(kept), from: sender) }
      // No answer will come that the client could be waiting for.
      if sender == .fromServer { beginOpaque(&relay) }
    case .frames:
      var out = RelayOutput()
      sides[Self.index(sender)].relay?.end(&out)
      take(&out, from: sender)
    case .opaque: break
    }
    send(.finish, from: sender)
  }

  // MARK: From outside

  /// Whether a message is held in a direction.
  package func isHolding(from sender: Direction) -> Bool { sides[Self.index(sender)].relay?.held != nil }

  /// The content of the message held in a direction.
  func heldContent(from sender: Direction) -> [UInt8]? {
    sides[Self.index(sender)].relay?.held?.message.content
  }

  /// Carries out the decision about the message held in a direction.
  package func resolve(_ decision: HeldDecision, from sender: Direction, at time: CaptureTime) {
    guard isHolding(from: sender) else { return }
    now = time
    var out = RelayOutput()
    sides[Self.index(sender)].relay?.resolve(decision, &out)
    take(&out, from: sender)
    pump(sender)
  }

  /// Sends a frame in a direction as soon as that is legal. Returns `false` if it cannot be sent.
  @discardableResult
  package func inject(_ injection: Injection, from sender: Direction, at time: CaptureTime) -> Bool {
    now = time
    guard case .frames = phase else { return false }
    return inject(injection, from: sender)
  }

  @discardableResult
  private func inject(_ injection: Injection, from sender: Direction) -> Bool {
    var out = RelayOutput()
    let isTaken = sides[Self.index(sender)].relay?.inject(injection, &out) ?? false
    take(&out, from: sender)
    return isTaken
  }

  /// Closes the connection in both directions. A WebSocket is closed with a Close frame.
  package func close(_ code: CloseReason, _ reason: String, at time: CaptureTime) {
    now = time
    for sender in Self.senders {
      if case .frames = phase {
        inject(Injection(closing: code, reason), from: sender)
      } else {
        send(.finish, from: sender)
      }
    }
  }

  /// Answers the client's request with 502, because the target cannot be reached.
  ///
  /// - Parameter reason: a sentence for the client.
  package func refuse(_ reason: String, at time: CaptureTime) {
    now = time
    let body = "\(shown(reason))\n"
    let head =
      "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
      + "Content-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n"
    // Show the request as if it had been sent to the target.
    while let step = nextStep(from: .fromClient, at: time) { passed(step, from: .fromClient, at: time) }
    sides[0].isFinished = true
    send(.bytes(Array((head + body).utf8)), from: .fromServer)
    send(.finish, from: .fromServer)
    sides[1].hasEnded = true
  }
}
