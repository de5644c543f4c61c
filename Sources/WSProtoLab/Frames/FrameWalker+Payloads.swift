// SPDX-License-Identifier: Apache-2.0

import WSProto

// Payloads, and the messages that they are parts of (RFC 6455 §5.4, §5.5.1, §5.6).
extension FrameWalker {
  /// How much is decoded at a time.
  static let slice = 64 << 10

  mutating func takePayload(_ rest: inout ArraySlice<UInt8>, _ each: (Event) -> Void) {
    guard var frame = current else { return }
    // The smaller value fits Int.
    let count = Int(min(frame.remaining, UInt64(min(rest.count, Self.slice))))
    let bytes = rest.prefix(count)
    rest = rest.dropFirst(count)
    offset += count
    show(bytes, of: &frame)
    frame.remaining -= UInt64(count)
    current = frame
    if frame.isDamaged {
      if frame.remaining == 0 { endFrame(each) }
      return
    }
    decoder?.receiveBytes(bytes)
    readParts(each)
  }

  /// Keeps the beginning of the payload, unmasked.
  func show(_ bytes: ArraySlice<UInt8>, of frame: inout Current) {
    let kept = frame.record.head.isControl ? 125 : options.framePreviewBytes
    let have = frame.record.payload.count
    guard have < kept, frame.record.missing == 0 else { return }
    let key = frame.record.head.maskingKey ?? 0
    for (index, byte) in bytes.prefix(kept - have).enumerated() {
      frame.record.payload.append(byte ^ UInt8(truncatingIfNeeded: key >> UInt32((have + index) % 4 * 8)))
    }
  }

  mutating func readParts(_ each: (Event) -> Void) {
    do throws(ParseFailed) {
      var part = pendingPart
      pendingPart = nil
      while true {
        if part == nil { part = try decoder?.processBuffer() }
        guard let given = part else { break }
        part = nil
        take(given, each)
        if given.frameFinished || state != .frames { break }
      }
    } catch {
      // The frame's boundaries are known, so reading can go on; the history of compressed messages is lost.
      each(.finding(Finding(error, at: current?.record.offset ?? offset, stops: false)))
      damage()
    }
    if let frame = current, frame.isDamaged, frame.remaining == 0 { endFrame(each) }
  }

  mutating func take(_ part: Frame, _ each: (Event) -> Void) {
    guard let frame = current, case .bytes(let bytes) = part.payload else { return }
    let head = frame.record.head
    if head.isControl {
      if head.meaning == .close { readClose(bytes, each) }
      return endFrame(each)
    }
    let unknown = recovery?.takeUnknown() ?? RecoveredDeflate.Unknown()
    let before = message?.record.size ?? 0
    if let failsAt = message?.append(bytes, unknown: unknown, kept: options.messageBytes) {
      reportText(failsAt, before, frame, each)
    }
    current?.delivered += bytes.count
    if part.frameFinished { endFrame(each) }
  }

  func reportText(_ failsAt: Int, _ before: UInt64, _ frame: Current, _ each: (Event) -> Void) {
    var finding = Finding(
      ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData),
      at: frame.record.offset,
      stops: false
    )
    if message?.record.isCompressed == true {
      finding.message += ": byte \(before + UInt64(failsAt)) after inflation"
    } else {
      finding.offset += frame.record.head.size + frame.delivered + failsAt
    }
    each(.finding(finding))
  }

  mutating func readClose(_ bytes: Bytes, _ each: (Event) -> Void) {
    guard let frame = current else { return }
    let payload = frame.record.offset + frame.record.head.size
    do throws(ParseFailed) {
      current?.record.closeCode = try bytes.withUnsafeBytes { (buffer) throws(ParseFailed) in
        try ClosePayload.parse(buffer)
      }
      if bytes.count > 2 {
        current?.record.closeReason = String(decoding: bytes.part(2..<bytes.count), as: UTF8.self)
      }
    } catch {
      let isReason = error.code == .invalidFramePayloadData
      each(.finding(Finding(error, at: isReason ? payload + 2 : payload, stops: false)))
    }
  }

  // MARK: Order and ends

  /// Tells the sequence of the data frame that begins. Returns `false` if it is out of order: the walker has stopped.
  mutating func enterSequence(_ each: (Event) -> Void) -> Bool {
    guard let frame = current else { return true }
    let head = frame.record.head
    if sequence.opcode == nil, head.opcode == 0, confirmed != nil, message == nil {
      joinMessage(frame)
    }
    do throws(ParseFailed) {
      // Text is validated here, where its offsets are known.
      let opcode: Opcode = head.opcode == 0 ? .continuation : .binary
      _ = try sequence.processFrame(
        Frame(opcode: opcode, payload: .bytes(Bytes()), frameFinished: true, messageFinished: head.fin)
      )
    } catch {
      each(.frame(frame.record))
      current = nil
      state = .stopped
      each(.finding(Finding(error, at: frame.record.offset, stops: true)))
      return false
    }
    if head.opcode != 0 {
      messages += 1
      var record = MessageRecord(number: messages, opcode: head.meaning, offset: frame.record.offset)
      record.isCompressed = head.rsv.rsv1 && coding.isDeflate
      message = MessageUnderWay(record)
    }
    message?.record.frames += 1
    message?.record.wireBytes += head.payloadLength
    return true
  }

  /// The first frame seen is the middle of a message.
  mutating func joinMessage(_ frame: Current) {
    _ = try? sequence.processFrame(
      Frame(opcode: .binary, payload: .bytes(Bytes()), frameFinished: true, messageFinished: false)
    )
    messages += 1
    message = MessageUnderWay(MessageRecord(number: messages, opcode: nil, offset: frame.record.offset))
    message?.damage(0)
  }

  /// The rest of the current frame cannot be decoded.
  mutating func damage() {
    current?.isDamaged = true
    decoder = nil
    coding = coding.afterLoss
    if let frame = current, frame.record.head.isControl { return }
    message?.damage(0)
  }

  /// The current frame is over.
  ///
  /// - Parameter isCut: whether it is over because nothing more of it will come.
  mutating func endFrame(_ each: (Event) -> Void, isCut: Bool = false) {
    guard var frame = current else { return }
    if !frame.record.head.isControl {
      if isCut { frame.record.missing += frame.remaining }
      if frame.isDamaged { message?.damage(frame.record.missing) }
    }
    frame.record.closeCode = current?.record.closeCode
    frame.record.closeReason = current?.record.closeReason
    each(.frame(frame.record))
    current = nil
    if let confirmed { self.confirmed = confirmed + 1 }
    if frame.record.head.meaning == .close { closeEnd = offset }
    if isCut { return }
    if !frame.record.head.isControl, frame.record.head.fin { endMessage(frame, each) }
    guard frame.isDamaged else { return }
    let beginning: RecoveredDeflate.Beginning =
      message.map { $0.record.isCompressed ? .insideCompressed : .insidePlain } ?? .betweenMessages
    renewDecoder(beginning)
  }

  mutating func endMessage(_ frame: Current, _ each: (Event) -> Void) {
    guard let ended = message else { return }
    message = nil
    if ended.endsInsideCharacter {
      var finding = Finding(
        ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData),
        at: offset,
        stops: false
      )
      finding.message += ": it ends inside a character"
      each(.finding(finding))
    }
    each(.message(ended.record))
  }
}
