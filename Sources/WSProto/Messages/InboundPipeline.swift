// SPDX-License-Identifier: Apache-2.0

/// Turns frames into messages: all processing of bytes received after the handshake, based on ``FrameStage``.
///
/// Works on a window of writable bytes owned by the caller: a borrowed chunk or the receive buffer. Payloads
/// are unmasked in place and delivered from where they lie. A payload that spans chunks is assembled with one
/// copy, or left in the receive buffer until it is complete. No byte is processed twice.
struct InboundPipeline: ~Copyable {
  /// What the pipeline is doing.
  enum Activity {
    /// Nothing: the next byte starts a frame and a message.
    case between
    /// Inside a frame or a message, or custom extensions must see every frame.
    case underWay
    /// The last part came before a failure, which the next step reports.
    case failing(ParseFailed)
    /// A Close or a failure was reported. Further input is ignored (RFC 6455 §5.5.1, §7.1.7).
    case ended
  }

  /// Updated at the end of each step.
  private(set) var activity: Activity
  private var stage: FrameStage
  private var sequence = MessageSequence()
  private var text = TextParts()

  private let delivery: MessageDelivery
  private let maxPartBytes: Int
  let isServer: Bool
  /// The largest payload of one frame that no limit refuses and whose length fits 16 bits.
  let wholeFrameLimit: Int

  init(role: ConnectionType, transform: InboundTransform, configuration: Configuration) {
    let limits = configuration.limits
    stage = FrameStage(role: role, transform: transform, limits: limits)
    delivery = configuration.delivery
    maxPartBytes = max(1, limits.maxPartBytes)
    isServer = role == .server
    wholeFrameLimit = min(
      limits.maxFramePayload,
      limits.maxMessageBytes,
      limits.maxMessageWireBytes,
      limits.maxMessageFragments > 0 ? FrameSizes.maxMediumPayload : -1
    )
    activity = transform.hasHooks ? .underWay : .between
  }

  /// Whether the next byte starts a frame and a message, so that ``wholeFrame(_:at:_:alone:)`` may be called.
  @inline(__always)
  var isBetween: Bool { if case .between = activity { true } else { false } }

  /// Whether a step gives something without further bytes: more inflated data, or a failure.
  var hasMore: Bool {
    switch activity {
    case .between, .ended: false
    case .failing: true
    case .underWay: stage.hasMore
    }
  }

  /// Whether further input is ignored.
  var isFinished: Bool { if case .ended = activity { true } else { false } }

  /// How many bytes of the current payload its header still announces. Used to size buffers, within limits.
  var expectedBytes: UInt64 { stage.reader.expectedBytes }

  // MARK: Steps

  /// The next message, part of a message or control frame in the window; `nil` when the window is used up.
  ///
  /// `position` moves past what was read and never past `end`. A window that `keeps` unread bytes is passed
  /// again with more bytes at its end; any other window is always used up.
  @inline(__always)
  mutating func next(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart? {
    if isBetween, let whole = wholeFrame(base, at: position, end) {
      position = whole.end
      return InboundPart(
        kind: whole.isText ? .text : .binary,
        payload: PayloadPart(place: .window, offset: whole.start, count: whole.count)
      )
    }
    return try step(base, &position, end, keeps: keeps)
  }

  /// The next part in the general case: split headers and frames, fragments, control frames, extensions,
  /// failures.
  @inline(never)
  mutating func step(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart? {
    stage.clear(keepsAssembly: gathers)
    switch activity {
    case .between, .underWay: break
    case .failing(let failed):
      activity = .ended
      throw failed
    case .ended:
      position = end
      return nil
    }
    do throws(ParseFailed) {
      let part = try advance(base, &position, end, keeps: keeps)
      switch activity {
      case .failing, .ended: break
      case .between, .underWay:
        let isIdle = stage.reader.atFrameStart && sequence.opcode == nil && !stage.transform.hasHooks
        activity = isIdle ? .between : .underWay
      }
      return part
    } catch {
      activity = .ended
      throw error
    }
  }

  private mutating func advance(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart? {
    while true {
      if stage.reader.frame == nil {
        guard let header = try stage.beginFrame(base, &position, end) else { return nil }
        if !header.opcode.isControl {
          let isFirst = try sequence.begin(header.opcode)
          if isFirst { text.reset() }
          try stage.chargeFrame(header, startsMessage: isFirst)
        }
      }
      guard let frame = stage.reader.frame else { return nil }
      let part =
        frame.header.opcode.isControl
        ? try takeControl(frame.header.opcode, base, &position, end)
        : delivery == .chunks
          ? try takeChunk(frame.header.fin, base, &position, end)
          : try takeWhole(frame.header.fin, base, &position, end, keeps: keeps)
      if let part { return part }
      // The frame continues, and nothing of it is left in the window.
      if let frame = stage.reader.frame, position + frame.ready >= end, !stage.hasMore { return nil }
    }
  }

  // MARK: Control frames, RFC 6455 §5.5

  private mutating func takeControl(
    _ opcode: Opcode,
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> InboundPart? {
    guard var payload = try stage.takeControl(base, &position, end) else { return nil }
    switch opcode {
    case .ping: return InboundPart(kind: .ping, payload: payload)
    case .pong: return InboundPart(kind: .pong, payload: payload)
    case .close, .continuation, .text, .binary:
      let code = try stage.withBytes(of: payload, window: base) { (bytes) throws(ParseFailed) in
        try ClosePayload.parse(bytes)
      }
      let codeSize = min(2, payload.count)
      payload.offset += codeSize
      payload.count -= codeSize
      activity = .ended
      return InboundPart(kind: .close, payload: payload, code: code)
    }
  }

  // MARK: Messages in parts, as they arrive

  /// A part of the current message. Text is cut between characters; what is cut off comes with the next part.
  private mutating func takeChunk(
    _ fin: Bool,
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> InboundPart? {
    let isText = sequence.opcode == .text
    var payload: PayloadPart
    var failure: ParseFailed?
    if stage.isTransformed {
      // Of a part without a whole character, only the bytes that are pending count.
      stage.assembly.clear()
      if isText { appendPendingText() }
      let expansion = stage.expand(base, &position, end, atMost: maxPartBytes)
      failure = expansion.failure
      payload = PayloadPart(
        place: .assembly,
        offset: 0,
        count: stage.assembly.count,
        frameFinished: expansion.frameFinished
      )
    } else {
      guard let plain = stage.takePlain(&position, end) else { return nil }
      payload = plain
      if isText, text.pendingCount > 0 {
        // The rest of a character: prepend its first bytes, so that the part is contiguous.
        appendPendingText()
        stage.assembly.append(base + plain.offset, count: plain.count, key: plain.key)
        payload.place = .assembly
        payload.offset = 0
        payload.count = stage.assembly.count
      } else if plain.key != 0 {
        Masking.apply(plain.key, to: base + plain.offset, count: plain.count)
      }
    }
    let isLast = payload.frameFinished && fin && failure == nil
    if isText {
      let (usable, isValid) = stage.withBytes(of: payload, window: base) { text.cut($0, isLast: isLast) }
      payload.count = usable
      // The invalid UTF-8 comes before the data that could not be inflated.
      if !isValid { failure = TextParts.notUTF8 }
    }
    if let failure {
      if payload.count == 0 { throw failure }
      payload.frameFinished = false
      activity = .failing(failure)
    }
    let finished = isLast && failure == nil
    if finished { sequence.end() }
    if payload.count == 0, !payload.frameFinished { return nil }
    return InboundPart(kind: isText ? .text : .binary, payload: payload, messageFinished: finished)
  }

  private mutating func appendPendingText() {
    var bytes: (UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0)
    let count = text.pendingCount
    withUnsafeMutableBytes(of: &bytes) { room in text.withPendingBytes { room.copyMemory(from: $0) } }
    withUnsafeBytes(of: bytes) { stage.assembly.append(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }
  }

  // MARK: Whole messages

  /// The current message, once it is complete.
  private mutating func takeWhole(
    _ fin: Bool,
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart? {
    if stage.isTransformed {
      let already = stage.assembly.count
      let expansion = stage.expand(base, &position, end, atMost: .max)
      let new = PayloadPart(
        place: .assembly,
        offset: already,
        count: stage.assembly.count - already,
        frameFinished: expansion.frameFinished
      )
      let isLast = expansion.frameFinished && fin && expansion.failure == nil
      try check(new, base, isLast: isLast)
      if let failure = expansion.failure { throw failure }
      return isLast ? whole(gathered) : nil
    }
    if stage.canHold(end, position, keeps: keeps) {
      // A message of one frame is delivered from where it lies, once all of it is there.
      guard let (new, complete) = stage.holdPlain(&position, end) else { return nil }
      try check(new, base, isLast: complete != nil)
      return complete.map { whole($0) }
    }
    let held = stage.reader.frame?.ready ?? 0
    let already = stage.assembly.count
    if held > 0 {
      // It began in a window that kept unread bytes; this window doesn't.
      stage.assembly.append(base + position, count: held)
      stage.reader.take(held)
      position += held
    }
    guard let plain = stage.takePlain(&position, end) else { return nil }
    stage.assembly.append(base + plain.offset, count: plain.count, key: plain.key)
    let new = PayloadPart(place: .assembly, offset: already + held, count: plain.count)
    let isLast = plain.frameFinished && fin
    try check(new, base, isLast: isLast)
    return isLast ? whole(gathered) : nil
  }

  /// Unmasks new bytes of the message, and validates them if they are text.
  private mutating func check(
    _ new: PayloadPart,
    _ base: UnsafeMutableRawPointer,
    isLast: Bool
  ) throws(ParseFailed) {
    let start = new.place == .window ? base : stage.assembly.base ?? base
    if sequence.opcode == .text {
      try text.check(start + new.offset, count: new.count, key: new.key, isLast: isLast)
    } else if new.key != 0 {
      Masking.apply(new.key, to: start + new.offset, count: new.count)
    }
  }

  /// Everything assembled so far.
  private var gathered: PayloadPart { PayloadPart(place: .assembly, offset: 0, count: stage.assembly.count) }

  private mutating func whole(_ payload: PayloadPart) -> InboundPart {
    let isText = sequence.opcode == .text
    sequence.end()
    return InboundPart(kind: isText ? .text : .binary, payload: payload)
  }

  // MARK: Bytes

  /// Calls `body` with the bytes of the last part. `window` is the base address that the part was read with.
  @inline(__always)
  func withBytes<R, Failure: Error>(
    of part: InboundPart,
    window: UnsafeRawPointer,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    try stage.withBytes(of: part.payload, window: window, body)
  }

  /// The bytes of the last part, to keep. `window` is the storage that the part was read from.
  @inline(__always)
  mutating func takeBytes(of part: InboundPart, sharing window: ByteStorage?) -> Bytes {
    switch part.payload.place {
    case .window:
      window.map { Bytes(sharing: $0, offset: part.payload.offset, count: part.payload.count) } ?? Bytes()
    case .assembly: stage.assembly.take(part.payload.count)
    case .control:
      Bytes(stage.control[part.payload.offset..<part.payload.offset + part.payload.count])
    }
  }

  /// How the extensions are run.
  var transform: InboundTransform { stage.transform }

  /// How many bytes of memory are held for messages, besides the bytes not read yet.
  var heldBytes: Int { stage.assembly.capacity }

  /// Whether a message is being assembled.
  private var gathers: Bool { delivery == .wholeMessages && sequence.opcode != nil && !isFinished }

  /// Called when the window is used up and the last part taken: releases what the current message doesn't
  /// need.
  @inline(__always)
  mutating func settle() { stage.settle(keepsAssembly: gathers) }
}
