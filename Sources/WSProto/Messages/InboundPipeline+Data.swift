// SPDX-License-Identifier: Apache-2.0

// Data frames (RFC 6455 §5.4, §5.6): payload → extensions → UTF-8 → parts or whole messages.
extension InboundPipeline {
  /// Takes what is there of the frame under way; nil if there's nothing to give yet.
  mutating func takeData(
    _ base: UnsafeMutableRawPointer,
    _ position: inout Int,
    _ end: Int,
    keeps: Bool
  ) throws(ParseFailed) -> InboundPart? {
    // What is held was read before and still lies at the position.
    let start = position + held
    let (count, key) = reader.takePayload(available: end - start)
    let frameFinished = !reader.inPayload
    if count == 0, !frameFinished { return nil }
    let finished = frameFinished && reader.header.fin
    var new = InboundPart(
      kind: .binary,
      frameFinished: frameFinished,
      messageFinished: finished,
      offset: start,
      count: count
    )

    if isTransformed {
      // takePayload takes no more than it is offered, so the position stays in the window; so below.
      position = start + count
      if key != 0 { Masking.apply(key, to: base + start, count: count) }
      let already = scratch.count
      try expand(
        UnsafeRawBufferPointer(start: base + start, count: count),
        frameFinished: frameFinished,
        finished: finished
      )
      messageBytes += scratch.count - already
      new.source = .scratch
      new.offset = already
      new.count = scratch.count - already
      return try delivery == .chunks ? giveChunk(new, base) : giveWhole(new, base)
    }

    let isOnlyFrame = messageBytes == held && reader.header.fin
    messageBytes += count
    guard delivery == .wholeMessages else {
      position = start + count
      if key != 0 { Masking.apply(key, to: base + start, count: count) }
      return try giveChunk(new, base)
    }
    if isOnlyFrame, finished || keeps {
      // A message of one frame is given out where it lies, as soon as all of it does.
      held += count
      guard var whole = try giveWhole(new, base, key: key) else { return nil }
      whole.offset = position
      whole.count = held
      position += held
      held = 0
      return whole
    }
    position = start + count
    new.offset = assembly.count
    new.source = .assembly
    assembly.append(base + start, count: count, key: key)
    return try giveWhole(new, base)
  }

  /// Runs a part of a payload through the extensions, appending to `scratch`.
  private mutating func expand(
    _ bytes: UnsafeRawBufferPointer,
    frameFinished: Bool,
    finished: Bool
  ) throws(ParseFailed) {
    // Never negative: what the message has given is within the limit.
    let budget = min(limits.maxMessageBytes - messageBytes, .max - 1)
    var given = AssemblyBuffer()
    var failed: ParseFailed?
    do throws(ParseFailed) {
      switch transform {
      case .none: break
      case .deflate(let deflate):
        do throws(InflateError) {
          var input = bytes
          repeat {
            try deflate.inflate(&input, into: &given, atMost: budget - given.count + 1)
          } while given.count <= budget && (!input.isEmpty || deflate.mayHaveMore)
          if finished, given.count <= budget { try deflate.finishMessage() }
        } catch {
          throw ParseFailed(error)
        }
      case .hooks(let hooks):
        try hooks.payload(
          bytes,
          opcode: reader.header.opcode,
          frameFinished: frameFinished,
          fin: reader.header.fin,
          budget: budget,
          into: &given
        )
      }
    } catch {
      failed = error
    }
    if given.count > budget {
      given.removeLast(given.count - budget)
      failed = messageTooBig
    }
    scratch.append(contentsOf: UnsafeRawBufferPointer(start: given.base, count: given.count))
    if let failed {
      // What came out before the error is validated and delivered first: events don't depend on how the bytes were
      // split.
      if given.count == 0 { throw failed }
      failure = failed
    }
  }

  private var notUTF8: ParseFailed {
    ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData)
  }

  /// Whole messages: validates the new part, gives the message when it is complete. With a `key` other than 0 the part
  /// is in the window and still to be unmasked.
  private mutating func giveWhole(
    _ new: InboundPart,
    _ base: UnsafeMutableRawPointer,
    key: UInt32 = 0
  ) throws(ParseFailed) -> InboundPart? {
    let isText = sequence.opcode == .text
    if isText {
      var checker = validator
      let failsAt =
        key != 0
        ? checker.unmask(base + new.offset, count: new.count, key: key)
        : withBytes(of: new, window: base) { bytes in
          bytes.baseAddress.flatMap { checker.validate($0, count: bytes.count) }
        }
      let isCut = new.messageFinished && failure == nil && !checker.isComplete
      if failsAt != nil || isCut { try fail(notUTF8) }
      validator = checker
    } else if key != 0 {
      Masking.apply(key, to: base + new.offset, count: new.count)
    }
    if let failure { try fail(failure) }
    guard new.messageFinished else { return nil }
    sequence.end()
    var whole = new
    whole.kind = isText ? .text : .binary
    if whole.source != .window {
      whole.count += whole.offset
      whole.offset = 0
      clearsBuffers = true
    }
    return whole
  }

  /// Parts as they arrive. Text is cut at a character's end; what is cut off comes with the next part.
  private mutating func giveChunk(
    _ new: InboundPart,
    _ base: UnsafeMutableRawPointer
  ) throws(ParseFailed) -> InboundPart? {
    var part = new
    if part.source == .scratch { clearsBuffers = true }
    let isText = sequence.opcode == .text
    if part.messageFinished, failure == nil { sequence.end() }
    if isText {
      part.kind = .text
      try cutText(&part, base)
    }
    if failure != nil {
      part.frameFinished = false
      part.messageFinished = false
    }
    // Nothing to deliver before the failure: the window must not be read on.
    if part.count == 0, let failure { try fail(failure) }
    return part.count == 0 && !part.frameFinished ? nil : part
  }

  /// Leaves of `part` what is complete, valid text, the unfinished character of the part before included.
  private mutating func cutText(_ part: inout InboundPart, _ base: UnsafeMutableRawPointer)
    throws(ParseFailed)
  {
    let pending = validator
    if pending.pendingCount > 0 {
      // The rest of a character: its first bytes are put in front and the part is validated as one. In this delivery
      // a part lies in the window or in `scratch`, whose storage is kept.
      pending.withPendingBytes { beginning in
        if part.source == .scratch {
          scratch.insert(contentsOf: beginning, at: part.offset)
        } else {
          scratch.removeAll(keepingCapacity: true)
          scratch.append(contentsOf: beginning)
          scratch.append(contentsOf: UnsafeRawBufferPointer(start: base + part.offset, count: part.count))
          part.source = .scratch
          part.offset = 0
        }
      }
      part.count += pending.pendingCount
      clearsBuffers = true
    }
    var checker = UTF8Validator()
    // Before a failure, an unfinished character is not the end of the text.
    let finished = part.messageFinished && failure == nil
    let (usable, isValid) = withBytes(of: part, window: base) { bytes in
      guard let start = bytes.baseAddress else { return (0, true) }
      guard let failsAt = checker.validate(start, count: bytes.count) else {
        return (bytes.count - checker.pendingCount, !finished || checker.isComplete)
      }
      // Up to the offending byte all is valid, but perhaps for an unfinished character.
      var prefix = UTF8Validator()
      _ = prefix.validate(start, count: failsAt)
      return (failsAt - prefix.pendingCount, false)
    }
    validator = checker
    part.count = usable
    if !isValid {
      // What is no UTF-8 comes before a failure to inflate what follows it.
      if usable == 0 { try fail(notUTF8) }
      failure = notUTF8
    }
  }

  /// Fails at once; a failure that was waiting is dropped.
  private mutating func fail(_ error: ParseFailed) throws(ParseFailed) -> Never {
    failure = nil
    throw error
  }
}
