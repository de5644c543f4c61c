// SPDX-License-Identifier: Apache-2.0

import WSProto

// Payloads, and the messages that they are parts of.
extension FrameRelay {
  /// Passes on a part of the current frame's payload.
  mutating func pass(_ bytes: [UInt8], of frame: Current, _ out: inout RelayOutput) {
    guard var target = takeUnderWay(isControl: frame.head.isControl) else { return }
    defer { if frame.head.isControl { control = target } else { message = target } }
    let plain = { FrameHead.masked(bytes, key: frame.head.maskingKey ?? 0, from: frame.done) }
    switch target.route {
    case .passing:
      out.add(bytes, delay: target.delay)
      if target.isCompressed { history?.inflate(plain()) { _ in } }
    case .dropping:
      if target.isCompressed { history?.inflate(plain()) { _ in } }
    case .inflating: inflate(plain(), &target, &out)
    case .collecting:
      collect(bytes, plain(), &target)
      if target.wireBytes > maxHeldBytes || (target.passing.content?.count ?? 0) > maxHeldBytes {
        letPass(&target, &out)
      }
    }
  }

  private func collect(_ bytes: [UInt8], _ plain: [UInt8], _ target: inout Message) {
    target.passing.frames[target.passing.frames.count - 1].payload += bytes
    target.wireBytes += bytes.count
    guard target.isCompressed, let history else {
      target.passing.content?.append(contentsOf: plain)
      return
    }
    // Exceeds the bound at most by the output for one slice.
    history.inflate(plain) { target.passing.content?.append(contentsOf: $0) }
    if history.hasFailed { target.passing.content = nil }
  }

  /// The current frame is over.
  mutating func endFrame(_ out: inout RelayOutput) {
    guard let frame = current else { return }
    current = nil
    if frame.head.isControl {
      let ended = control
      control = nil
      if ended?.route == .passing, frame.head.opcode == Opcode.close.rawValue { hasPassedClose = true }
      if let ended, ended.route == .collecting { complete(ended, &out) }
    } else if frame.head.fin, let ended = message {
      message = nil
      endMessage(ended, &out)
    }
    inject(&out)
  }

  private mutating func endMessage(_ ended: Message, _ out: inout RelayOutput) {
    var ended = ended
    if ended.isCompressed {
      history?.endMessage()
      if history?.hasFailed == true { ended.passing.content = nil }
    }
    switch ended.route {
    case .collecting: complete(ended, &out)
    case .inflating(let hasBegun):
      out.add(fragment([], of: ended, isFirst: !hasBegun, isLast: true).bytes, delay: ended.delay)
    case .passing, .dropping: break
    }
  }

  /// Applies the rules to a message that is complete.
  private mutating func complete(_ ended: Message, _ out: inout RelayOutput) {
    var passing = ended.passing
    if passing.isCompressed, isHistoryBroken {
      if let content = passing.content {
        passing.setContent(content, key: drawnKey())
      } else {
        out.add(.note("\(passing.name) cannot be inflated, and passes as it came"))
      }
    }
    var application = RuleApplication(passing, ended.rules, hasHistory: history?.isKept == true)
    let outcome = application.run(&random, &keys)
    take(outcome, application, &out)
  }

  private mutating func take(
    _ outcome: RuleApplication.Outcome,
    _ application: RuleApplication,
    _ out: inout RelayOutput
  ) {
    for note in application.notes { out.add(.note(note)) }
    if application.breaksHistory { isHistoryBroken = true }
    switch outcome {
    case .send:
      if application.message.opcode == Opcode.close.rawValue, application.copies > 0 { hasPassedClose = true }
      if let size = application.segmentBytes {
        out.add(.bytes(application.bytes, delay: application.delay, segmentBytes: size))
      } else {
        out.add(application.bytes, delay: application.delay)
      }
    case .held:
      held = application
      out.add(.held(application.message))
    case .close(let code, let reason): close(code, reason, &out)
    case .reset: reset(&out)
    }
  }

  // MARK: Held messages

  /// Carries out the decision about the held message, then applies the remaining rules to it.
  mutating func resolve(_ decision: HeldDecision, _ out: inout RelayOutput) {
    guard var application = held else { return }
    held = nil
    let known = application.notes.count
    switch decision {
    case .pass: break
    case .drop: application.drop()
    case .edit(let content):
      if let why = application.change(to: content, &keys) {
        out.add(.note("\(why), and passes as it came"))
      }
    }
    let outcome = application.run(&random, &keys)
    application.forgetNotes(known)
    take(outcome, application, &out)
    inject(&out)
  }

  // MARK: Messages that are too large, and fragments of our own

  /// Stops collecting a message that is too large, and lets it pass unchanged.
  mutating func letPass(_ target: inout Message, _ out: inout RelayOutput) {
    let numbers = target.rules.map { String($0.number) }.joined(separator: ", ")
    out.add(
      .note("a message larger than \(maxHeldBytes) bytes passes untouched by rule \(numbers)")
    )
    target.route = .passing
    guard target.isCompressed, isHistoryBroken, let content = target.passing.content else {
      out.add(target.passing.bytes)
      target.passing.frames = []
      return
    }
    // The part that has already been inflated becomes the first fragment.
    target.route = .inflating(hasBegun: !content.isEmpty)
    if !content.isEmpty { out.add(fragment(content, of: target, isFirst: true, isLast: false).bytes) }
    target.passing.frames = []
    target.passing.content = nil
  }

  private mutating func inflate(_ plain: [UInt8], _ target: inout Message, _ out: inout RelayOutput) {
    guard let history, case .inflating(var hasBegun) = target.route, !history.hasFailed else { return }
    var pieces: [[UInt8]] = []
    history.inflate(plain) { pieces.append($0) }
    for piece in pieces {
      out.add(fragment(piece, of: target, isFirst: !hasBegun, isLast: false).bytes, delay: target.delay)
      hasBegun = true
    }
    if history.hasFailed { out.add(.note("a message cannot be inflated any further, and ends here")) }
    target.route = .inflating(hasBegun: hasBegun)
  }

  private mutating func fragment(_ plain: [UInt8], of target: Message, isFirst: Bool, isLast: Bool)
    -> PassingFrame
  {
    PassingFrame(
      fin: isLast,
      opcode: isFirst ? target.opcode : Opcode.continuation.rawValue,
      plain: plain,
      key: maskingKey()
    )
  }

  /// A masking key for a frame that the proxy creates; `nil` towards the client (RFC 6455 §5.1).
  mutating func maskingKey() -> UInt32? { sender == .fromClient ? drawnKey() : nil }

  private mutating func drawnKey() -> UInt32 { UInt32.random(in: .min ... .max, using: &keys) }
}
