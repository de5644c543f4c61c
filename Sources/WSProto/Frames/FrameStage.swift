// SPDX-License-Identifier: Apache-2.0

/// Where a payload lies that the ``FrameStage`` has given: offsets, not bytes, so that one result serves those who
/// borrow and those who keep.
struct PayloadPart {
  enum Place: UInt8 {
    /// In the window that it came in.
    case window
    /// In ``FrameStage/assembly``.
    case assembly
    /// In ``FrameStage/control``.
    case control
  }

  var place: Place
  var offset: Int
  var count: Int
  /// What the bytes are still to be unmasked with; 0 where they are what they shall be.
  var key: UInt32 = 0
  /// Whether this part ends its frame.
  var frameFinished = true
}

/// Bytes → frames: headers, reserved bits, payloads unmasked and run through the extensions, control frames whole
/// (RFC 6455 §5).
///
/// Knows frames, and what a message may cost; the order of frames, text, and messages that are put together belong to
/// ``InboundPipeline``. All methods work on a window [position, end) of writable bytes at `base`, and move the position
/// behind what they have taken.
struct FrameStage: ~Copyable {
  var reader: FrameReader
  let transform: InboundTransform
  var budget: MessageBudget
  /// What was inflated or put together of a message.
  var assembly = AssemblyBuffer()
  /// A control frame's payload that came in several windows, or that extensions have changed: at most 125 bytes.
  private(set) var control: [UInt8] = []
  /// Whether the message under way is compressed: RSV1 of its first frame says so (RFC 7692 §6).
  private var isCompressed = false

  init(role: ConnectionType, transform: InboundTransform, limits: Limits) {
    reader = FrameReader(role: role)
    self.transform = transform
    budget = MessageBudget(limits: limits)
  }

  /// Whether the message under way is something else on the wire than when it is delivered.
  var isTransformed: Bool {
    switch transform {
    case .none: false
    case .deflate: isCompressed
    case .hooks: true
    }
  }

  /// Whether more is to come of what has been read: an inflater with more output than it was asked for.
  var hasMore: Bool {
    guard let frame = reader.frame, !frame.header.opcode.isControl, isCompressed else { return false }
    if case .deflate(let deflate) = transform { return deflate.mayHaveMore }
    return false
  }

  // MARK: Headers

  /// The header of the next frame; nil when the window ends first. Throws whatever the header alone can tell, so that a
  /// doomed frame is never buffered.
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
    // Of a message that is delivered as it is on the wire, the header tells the size.
    if !isTransformed, budget.isExceeded(by: header.payloadLength) { throw budget.messageTooBig }
  }

  // MARK: Control frames, §5.5

  /// The payload of the control frame under way; nil until it is complete.
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

  /// What the window has of a payload that is delivered as it is on the wire, still masked; nil if that is nothing and
  /// the frame goes on.
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

  /// What the window has, left where it lies: the position stays at the beginning of the payload until the frame is
  /// complete. Nil if there is nothing new and the frame goes on.
  ///
  /// For windows that keep what was not read, and for frames that are all in the window.
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

  /// Whether the frame under way is all that its message consists of and can be left where it lies.
  func canHold(_ end: Int, _ position: Int, keeps: Bool) -> Bool {
    guard let frame = reader.frame, frame.header.fin, budget.bytes == frame.ready else { return false }
    return keeps || frame.remaining <= UInt64(max(0, end - position - frame.ready))
  }

  /// What the ``expand(_:_:_:atMost:)`` of a payload has come to.
  struct Expansion {
    /// Whether the frame is complete and all that it gives was given.
    var frameFinished = false
    /// What went wrong behind the bytes that were appended.
    var failure: ParseFailed?
  }

  /// Runs what the window has of a payload through the extensions, and appends at most `room` bytes, or some more with
  /// the extensions of others, to ``assembly``.
  mutating func expand(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    atMost room: Int
  ) -> Expansion {
    let held = reader.frame?.ready ?? 0
    let (count, key) = reader.unmaskNext(position, end)
    // In bounds: what was ready and what is new lie in the window.
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

  /// Payload for the extensions of others goes to them in slices of this size, so that what they make of it is bounded
  /// too: permessage-deflate among them makes 1 MiB of a slice at most.
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
      // Nothing is there, and more will come.
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

  /// Calls `body` with the bytes of a part. `window` is the base that it was read with.
  @inline(__always)
  func withBytes<R, Failure: Error>(
    of part: PayloadPart,
    window: UnsafeRawPointer,
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    // In bounds: the offsets and counts are of what was put there.
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

  /// The last part was taken: its buffers are empty, but for what is gathered of a message under way, and for a control
  /// frame under way.
  mutating func clear(keepsAssembly: Bool) {
    if !keepsAssembly { assembly.clear() }
    if control.isEmpty || reader.frame?.header.opcode.isControl == true { return }
    control.removeAll(keepingCapacity: true)
  }

  /// The same, and what is larger than an idle connection may hold is given back.
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
