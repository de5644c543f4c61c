// SPDX-License-Identifier: Apache-2.0

/// Bytes → frames → messages: everything that happens to received bytes after the handshake.
///
/// Works on a window of writable bytes that the caller holds: a chunk borrowed from the caller, or the receive buffer.
/// Payloads are unmasked in place and given out where they are; what spans chunks is put together by one copy, or left
/// in the receive buffer until it is complete. No byte is looked at twice.
struct InboundPipeline: ~Copyable {
  var reader: FrameReader
  var sequence = MessageSequence()
  var validator = UTF8Validator()
  var transform: InboundTransform
  var assembly = AssemblyBuffer()
  /// Inflated or hook-made bytes, and text parts that begin with bytes of an earlier part.
  var scratch: [UInt8] = []
  var control: [UInt8] = []
  /// Whether the message under way is compressed (RFC 7692 §6).
  var compressed = false
  /// What the message under way has given so far, in bytes as delivered.
  var messageBytes = 0
  /// A failure found behind bytes that are still to be delivered.
  var failure: ParseFailed?
  /// After a Close or a failure.
  var ended = false
  /// Bytes of the frame under way that were read, but stay in the window: they begin at its position.
  var held = 0
  /// Whether the last part lies in a buffer that is to be cleared before the next step.
  var clearsBuffers = false
  /// Whether anything is under way that ``wholeFrame(_:at:_:)`` doesn't know of. Set at the end of each slow step.
  private(set) var busy: Bool
  /// Whether there is storage that an idle connection should not hold on to. Set at the end of each slow step.
  private var holdsLargeStorage = false

  let limits: Limits
  let delivery: MessageDelivery
  let isServer: Bool
  /// The largest payload that no limit refuses, and that the 16-bit length can tell.
  let wholeFrameLimit: Int

  init(role: ConnectionType, transform: InboundTransform, configuration: Configuration) {
    reader = FrameReader(role: role)
    self.transform = transform
    limits = configuration.limits
    delivery = configuration.delivery
    isServer = role == .server
    wholeFrameLimit = min(
      limits.maxFramePayload,
      limits.maxMessageBytes,
      limits.maxMessageWireBytes,
      limits.maxMessageFragments > 0 ? FrameSizes.maxMediumPayload : -1
    )
    busy = transform.hasHooks
  }

  /// The next message, part of a message or control frame in the window; `needsMore` when it is used up.
  ///
  /// `position` advances by what was read and never passes `end`. A window that `keeps` what is not read is given
  /// again with more bytes at its end; the other kind is always used up.
  @inline(__always)
  mutating func next(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart {
    if !busy {
      if let whole = wholeFrame(base, at: position, end) {
        position = whole.end
        return InboundPart(kind: whole.isText ? .text : .binary, offset: whole.start, count: whole.count)
      }
      // Used up, and nothing under way.
      if position == end { return .needsMore }
    }
    return try nextInSteps(base, &position, end, keeps: keeps)
  }

  /// Calls `body` with the bytes of the last part. `window` is the base that the part was read with.
  @inline(__always)
  func withBytes<R, Failure: Error>(
    of part: InboundPart,
    window: UnsafeRawPointer,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    // In bounds: `next` gives offsets and counts of what it has put there.
    switch part.source {
    case .window: return try body(UnsafeRawBufferPointer(start: window + part.offset, count: part.count))
    case .assembly:
      return try body(
        UnsafeRawBufferPointer(start: assembly.base.map { $0 + part.offset }, count: part.count)
      )
    case .scratch: return try Self.withSlice(of: scratch, part, body)
    case .control: return try Self.withSlice(of: control, part, body)
    }
  }

  private static func withSlice<R, Failure: Error>(
    of array: [UInt8],
    _ part: InboundPart,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    try array.span.bytes.withUnsafeBytes { (bytes) throws(Failure) -> R in
      try body(UnsafeRawBufferPointer(rebasing: bytes.dropFirst(part.offset).prefix(part.count)))
    }
  }

  /// What is still to come of the payload under way, as its header declares; for sizing buffers, within bounds.
  var expectedBytes: UInt64 { reader.inPayload ? reader.remaining : 0 }

  /// Whether input is of no use any more: after a Close or a failure.
  var isFinished: Bool { ended && failure == nil }

  /// The failure that waits behind the last part, if there is one; the stream has ended with it.
  mutating func takeFailure() -> ParseFailed? {
    guard let failed = failure else { return nil }
    failure = nil
    ended = true
    return failed
  }

  /// Gives large buffers back while no message is under way.
  @inline(__always)
  mutating func trim() { if holdsLargeStorage { trimNow() } }

  @inline(never)
  private mutating func trimNow() {
    if clearsBuffers { clearBuffers() }
    // Half a header is no end either: more is on its way.
    guard sequence.opcode == nil, reader.atFrameStart else { return }
    assembly.trim(keeping: Self.retainedBytes)
    if scratch.isEmpty, scratch.capacity > Self.retainedBytes { scratch = [] }
    holdsLargeStorage = false
  }

  /// What an idle connection may hold on to, in bytes.
  private static let retainedBytes = 16 << 10

  private mutating func clearBuffers() {
    clearsBuffers = false
    // A message under way keeps its parts; control frames come between them.
    if sequence.opcode == nil || delivery == .chunks {
      assembly.clear()
      scratch.removeAll(keepingCapacity: true)
    }
    control.removeAll(keepingCapacity: true)
  }

  /// Everything else: split headers and frames, fragments, control frames, extensions, failures.
  @inline(never)
  private mutating func nextInSteps(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart {
    if clearsBuffers { clearBuffers() }
    defer {
      busy =
        ended || failure != nil || clearsBuffers || !reader.atFrameStart || sequence.opcode != nil
        || transform.hasHooks
      holdsLargeStorage = assembly.capacity > Self.retainedBytes || scratch.capacity > Self.retainedBytes
    }
    if let failed = takeFailure() { throw failed }
    // What follows a Close or a failure is ignored (RFC 6455 §5.5.1, §7.1.7).
    if ended {
      position = end
      return .needsMore
    }
    do throws(ParseFailed) {
      while true {
        if !reader.inPayload {
          guard try reader.readHeader(base, &position, end) else { return .needsMore }
          try beginFrame()
        }
        let isControl = reader.header.opcode.isControl
        if let part = isControl
          ? try takeControl(base, &position, end) : try takeData(base, &position, end, keeps: keeps)
        {
          return part
        }
        if reader.inPayload, position + held == end { return .needsMore }
      }
    } catch {
      ended = true
      throw error
    }
  }

  /// All that a header alone decides, so that a doomed frame is never buffered.
  private mutating func beginFrame() throws(ParseFailed) {
    let header = reader.header
    try transform.checkReservedBits(header)
    guard !header.opcode.isControl else { return }
    try checkFrameSize(header, limits: limits)
    let isFirst = sequence.opcode == nil
    try sequence.begin(header, headerSize: reader.headerSize, limits: limits)
    if isFirst {
      compressed = header.rsv.rsv1
      messageBytes = 0
      validator = UTF8Validator()
    }
    // Of a message that is delivered as it is on the wire, the header tells the size.
    if !isTransformed, header.payloadLength > UInt64(clamping: limits.maxMessageBytes - messageBytes) {
      throw messageTooBig
    }
  }

  /// Whether the message under way is something else on the wire than when delivered.
  var isTransformed: Bool {
    switch transform {
    case .none: false
    case .deflate: compressed
    case .hooks: true
    }
  }

  var messageTooBig: ParseFailed {
    ParseFailed("a message of more than \(limits.maxMessageBytes) bytes", .messageTooBig)
  }

  // MARK: Control frames, RFC 6455 §5.5

  private mutating func takeControl(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> InboundPart? {
    let start = position
    let (count, key) = reader.takePayload(available: end - position)
    // takePayload takes no more than it is offered, so the position stays in the window.
    position += count
    if key != 0 { Masking.apply(key, to: base + start, count: count) }
    var part = InboundPart(kind: .ping, offset: start, count: count)
    if reader.inPayload || !control.isEmpty {
      // At most 125 bytes: the header was checked.
      control.append(contentsOf: UnsafeRawBufferPointer(start: base + start, count: count))
      guard !reader.inPayload else { return nil }
      part = InboundPart(kind: .ping, source: .control, count: control.count)
      clearsBuffers = true
    }
    if case .hooks(let hooks) = transform {
      var given = AssemblyBuffer()
      try withBytes(of: part, window: base) { (bytes) throws(ParseFailed) in
        try hooks.payload(
          bytes,
          opcode: reader.header.opcode,
          frameFinished: true,
          fin: true,
          budget: FrameSizes.maxShortPayload,
          into: &given
        )
      }
      control = [UInt8](given.take())
      part = InboundPart(kind: .ping, source: .control, count: control.count)
      clearsBuffers = true
    }
    switch reader.header.opcode {
    case .ping: return part
    case .pong:
      part.kind = .pong
      return part
    case .close, .continuation, .text, .binary:
      part.kind = .close
      part.code = try withBytes(of: part, window: base) { (bytes) throws(ParseFailed) in
        try ClosePayload.parse(bytes)
      }
      let codeSize = min(2, part.count)
      part.offset += codeSize
      part.count -= codeSize
      ended = true
      return part
    }
  }
}
