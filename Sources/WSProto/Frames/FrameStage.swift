// SPDX-License-Identifier: Apache-2.0

/// Where a payload produced by ``FrameStage`` lies. It holds offsets, not bytes, so that it works for
/// borrowed and for owned events.
struct PayloadPart {
  enum Place: UInt8 {
    /// In the window in which it arrived.
    case window
    /// In ``FrameStage/assembly``.
    case assembly
    /// In ``FrameStage/control``.
    case control
  }

  var place: Place
  var offset: Int
  var count: Int
  /// The key that the bytes must still be unmasked with; 0 if they are unmasked.
  var key: UInt32 = 0
  /// Whether this part ends its frame.
  var frameFinished = true
}

/// Turns bytes into frames: reads headers, checks reserved bits, unmasks payloads and runs them through the
/// extensions, and collects control frames (RFC 6455 §5).
///
/// It knows about frames and about the limits of a message; the order of frames, text, and the assembly of
/// messages are up to ``InboundPipeline``. All methods work on a window [position, end) of writable bytes at
/// `base`, and move the position past what they have taken.
struct FrameStage: ~Copyable {
  var reader: FrameReader
  let transform: InboundTransform
  var budget: MessageBudget
  /// The inflated or assembled data of a message.
  var assembly = AssemblyBuffer()
  /// A control frame's payload that arrived in several windows or was changed by extensions: at most
  /// 125 bytes.
  private(set) var control: [UInt8] = []
  /// Whether the current message is compressed, as RSV1 of its first frame says (RFC 7692 §6).
  private var isCompressed = false

  init(role: ConnectionType, transform: InboundTransform, limits: Limits) {
    reader = FrameReader(role: role)
    self.transform = transform
    budget = MessageBudget(limits: limits)
  }

  /// Whether the current message differs on the wire from what is delivered.
  var isTransformed: Bool {
    switch transform {
    case .none: false
    case .deflate: isCompressed
    case .hooks: true
    }
  }

  /// Whether more output is pending for input already read: an inflater has more than it was asked for, or hooks
  /// have not seen all that is unmasked.
  var hasMore: Bool {
    guard let frame = reader.frame, !frame.header.opcode.isControl else { return false }
    return switch transform {
    case .none: false
    case .deflate(let deflate): isCompressed && deflate.mayHaveMore
    case .hooks: frame.ready > 0
    }
  }

  // MARK: Headers

  /// The header of the next frame; `nil` if the window ends first. Throws for everything that the header
  /// alone can show, so that the payload of an illegal frame is never buffered.
  mutating func beginFrame(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> Header? {
    guard let header = try reader.readHeader(base, &position, end) else { return nil }
    try transform.checkReservedBits(header)
    try budget.checkFrame(header)
    return header
  }

  /// Charges the data frame that has begun to its message.
  mutating func chargeFrame(_ header: Header, startsMessage: Bool) throws(ParseFailed) {
    if startsMessage {
      budget.reset()
      isCompressed = header.rsv.rsv1
    }
    try budget.charge(header, headerSize: reader.frame?.headerSize ?? 0)
    // If the message is delivered as it is on the wire, the header gives its size.
    if !isTransformed, budget.isExceeded(by: header.payloadLength) { throw budget.messageTooBig }
  }

  // MARK: Control frames, §5.5

  /// The payload of the current control frame; `nil` until it is complete.
  mutating func takeControl(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int
  ) throws(ParseFailed) -> PayloadPart? {
    guard let opcode = reader.frame?.header.opcode else { return nil }
    let start = position
    let (count, key) = reader.unmaskNext(position, end)
    if key != 0 { Masking.apply(key, to: base + start, count: count) }
    reader.take(count)
    position += count
    let isComplete = reader.frame?.isComplete ?? true
    if !isComplete || !control.isEmpty {
      // At most 125 bytes: the header was checked.
      control.append(contentsOf: UnsafeRawBufferPointer(start: base + start, count: count))
      guard isComplete else { return nil }
    }
    reader.endFrame()
    let bytes = UnsafeRawBufferPointer(start: base + start, count: count)
    if case .hooks(let hooks) = transform {
      control = try Self.run(hooks, control.isEmpty ? Array(bytes) : control, opcode)
    } else if control.isEmpty {
      return PayloadPart(place: .window, offset: start, count: count)
    }
    return PayloadPart(place: .control, offset: 0, count: control.count)
  }

  private static func run(
    _ hooks: InboundHooks,
    _ payload: [UInt8],
    _ opcode: Opcode
  ) throws(ParseFailed) -> [UInt8] {
    var output = AssemblyBuffer()
    try payload.span.bytes.withUnsafeBytes { (bytes) throws(ParseFailed) in
      try hooks.payload(
        bytes,
        opcode: opcode,
        frameFinished: true,
        fin: true,
        budget: FrameSizes.maxShortPayload,
        into: &output
      )
    }
    if output.count > FrameSizes.maxShortPayload {
      throw ParseFailed("an extension makes more than 125 bytes of a control frame", .internalError)
    }
    return Array(output.bytes)
  }

  // MARK: Data frames, §5.6

  /// The part of a payload in the window, still masked, if the payload is delivered as it is on the wire;
  /// `nil` if there is none and the frame continues.
  mutating func takePlain(
    _ position: inout Int,
    _ end: Int
  ) -> PayloadPart? {
    let (count, key) = reader.unmaskNext(position, end)
    let isComplete = reader.frame?.isComplete ?? true
    if count == 0, !isComplete { return nil }
    let part = PayloadPart(
      place: .window,
      offset: position,
      count: count,
      key: key,
      frameFinished: isComplete
    )
    budget.add(count)
    reader.take(count)
    position += count
    if isComplete { reader.endFrame() }
    return part
  }

  /// The part of a payload in the window, without taking it: the position stays at the beginning of the
  /// payload until the frame is complete. `nil` if there is nothing new and the frame continues.
  ///
  /// For windows that keep unread bytes, and for frames that lie completely in the window.
  mutating func holdPlain(
    _ position: inout Int,
    _ end: Int
  ) -> (new: PayloadPart, whole: PayloadPart?)? {
    let held = reader.frame?.ready ?? 0
    let (count, key) = reader.unmaskNext(position, end)
    let isComplete = reader.frame?.isComplete ?? true
    if count == 0, !isComplete { return nil }
    budget.add(count)
    let new = PayloadPart(
      place: .window,
      offset: position + held,
      count: count,
      key: key,
      frameFinished: isComplete
    )
    guard isComplete else { return (new, nil) }
    let whole = PayloadPart(place: .window, offset: position, count: held + count)
    position += held + count
    reader.endFrame()
    return (new, whole)
  }

  /// Whether the current frame is its whole message and can be left in place.
  func canHold(_ end: Int, _ position: Int, keeps: Bool) -> Bool {
    guard let frame = reader.frame, frame.header.fin, budget.bytes == frame.ready else { return false }
    return keeps || frame.remaining <= UInt64(max(0, end - position - frame.ready))
  }

  /// The result of ``expand(_:_:_:atMost:)``.
  struct Expansion {
    /// Whether the frame is complete and all its output has been appended.
    var frameFinished = false
    /// What went wrong after the bytes that were appended.
    var failure: ParseFailed?
  }

  /// Runs the payload in the window through the extensions, and appends at most `room` bytes to ``assembly``,
  /// or slightly more with custom extensions.
  mutating func expand(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    atMost room: Int
  ) -> Expansion {
    let held = reader.frame?.ready ?? 0
    let (count, key) = reader.unmaskNext(position, end)
    // In bounds: the ready bytes and the new ones lie in the window.
    if key != 0 { Masking.apply(key, to: base + position + held, count: count) }
    guard let frame = reader.frame else { return Expansion(frameFinished: true) }
    let input = UnsafeRawBufferPointer(start: base + position, count: frame.ready)
    let before = assembly.count
    let allowed = budget.room
    var expansion = Expansion()
    var used = 0
    switch transform {
    case .none: expansion.frameFinished = true
    case .deflate(let deflate):
      (used, expansion) = inflate(deflate, input, frame, atMost: min(room, allowed + 1))
    case .hooks(let hooks):
      (used, expansion) = run(hooks, input, frame, atMost: room)
    }
    reader.take(used)
    position += used
    let excess = assembly.count - before - allowed
    if excess > 0 {
      assembly.removeLast(excess)
      expansion = Expansion(failure: budget.messageTooBig)
    }
    budget.add(assembly.count - before)
    if expansion.frameFinished { reader.endFrame() }
    return expansion
  }

  private mutating func inflate(
    _ deflate: InboundDeflate,
    _ input: UnsafeRawBufferPointer,
    _ frame: FrameReader.Frame,
    atMost room: Int
  ) -> (used: Int, Expansion) {
    var rest = input
    var expansion = Expansion()
    do throws(InflateError) {
      try deflate.inflate(&rest, into: &assembly, atMost: room)
      if frame.isComplete, rest.isEmpty, !deflate.mayHaveMore {
        if frame.header.fin { try deflate.finishMessage() }
        expansion.frameFinished = true
      }
    } catch {
      expansion.failure = ParseFailed(error)
    }
    return (input.count - rest.count, expansion)
  }

  /// Payload for custom extensions is passed to them in slices of this size, which bounds their output too:
  /// permessage-deflate among them makes at most 1 MiB of a slice.
  private static let hookSlice = 1 << 10

  private mutating func run(
    _ hooks: InboundHooks,
    _ input: UnsafeRawBufferPointer,
    _ frame: FrameReader.Frame,
    atMost room: Int
  ) -> (used: Int, Expansion) {
    let before = assembly.count
    var used = 0
    repeat {
      let slice = min(Self.hookSlice, input.count - used)
      let isLast = frame.isComplete && used + slice == input.count
      // There is nothing yet, and more will arrive.
      if slice == 0, !isLast { break }
      do throws(ParseFailed) {
        try hooks.payload(
          UnsafeRawBufferPointer(rebasing: input[used..<used + slice]),
          opcode: frame.header.opcode,
          frameFinished: isLast,
          fin: frame.header.fin,
          budget: max(0, budget.room - (assembly.count - before)),
          into: &assembly
        )
      } catch {
        return (used + slice, Expansion(failure: error))
      }
      used += slice
      if isLast { return (used, Expansion(frameFinished: true)) }
    } while used < input.count && assembly.count - before < room
    return (used, Expansion())
  }

  // MARK: Buffers

  /// Calls `body` with the bytes of a part. `window` is the base that the part was read with.
  @inline(__always)
  func withBytes<R, Failure: Error>(
    of part: PayloadPart,
    window: UnsafeRawPointer,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    // In bounds: offsets and counts describe what was put there.
    switch part.place {
    case .window: return try body(UnsafeRawBufferPointer(start: window + part.offset, count: part.count))
    case .assembly:
      return try body(
        UnsafeRawBufferPointer(rebasing: assembly.bytes[part.offset..<part.offset + part.count])
      )
    case .control:
      return try control.span.bytes.withUnsafeBytes { (bytes) throws(Failure) -> R in
        try body(UnsafeRawBufferPointer(rebasing: bytes[part.offset..<part.offset + part.count]))
      }
    }
  }

  /// Called when the last part has been taken: empties its buffers, except for data gathered for the current
  /// message or control frame.
  mutating func clear(keepsAssembly: Bool) {
    if !keepsAssembly { assembly.clear() }
    if control.isEmpty || reader.frame?.header.opcode.isControl == true { return }
    control.removeAll(keepingCapacity: true)
  }

  /// The same, and releases what an idle connection may not hold.
  @inline(__always)
  mutating func settle(keepsAssembly: Bool) {
    if assembly.capacity > 0 || !control.isEmpty { settleBuffers(keepsAssembly) }
  }

  @inline(never)
  private mutating func settleBuffers(_ keepsAssembly: Bool) {
    clear(keepsAssembly: keepsAssembly)
    if !keepsAssembly { assembly.settle(keeping: Retention.assembly) }
  }
}
