// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Walks through the frames of one direction of a connection.
///
/// Every rule is WSProto's: its ``FrameDecoder`` judges headers and inflates payloads, its ``MessageDecoder`` judges the
/// order of frames. The walker tells them where frames begin, keeps their offsets, and shows what they refuse.
struct FrameWalker {
  /// What the walker has seen.
  enum Event {
    /// Who sends in this direction, which was not known.
    case sender(ConnectionType)
    case frame(FrameRecord)
    case message(MessageRecord)
    case finding(Finding)
  }

  private enum State {
    /// Frames may begin with each segment.
    case searching
    case frames
    /// Nothing after a violation can be read.
    case stopped
  }

  /// A frame whose header has been read.
  private struct Current {
    var record: FrameRecord
    var remaining: UInt64
    /// Decoded bytes that its message has got from it.
    var delivered = 0
    /// Whether ``MessageDecoder`` knows of it.
    var isInSequence = false
    var isDamaged = false
  }

  private let options: InspectionOptions
  private var state: State
  /// Who sends; `nil` until the first frame shows it.
  private(set) var sender: ConnectionType?
  private var coding: PayloadCoding
  /// The offset of the next byte.
  private(set) var offset: Int

  private var collected: [UInt8] = []
  private var current: Current?
  private var decoder: FrameDecoder?
  private var recovery: RecoveredDeflate?
  private var sequence = MessageDecoder()
  private var message: MessageUnderWay?
  private var frames = 0
  private var messages = 0
  /// Frames since the beginning was guessed; `nil` where it is known.
  private var confirmed: Int?
  /// Bytes in which no frame was found.
  private var passed = 0
  /// The first byte that belongs to no frame that was found.
  private var passedFrom = 0
  private var lastKey: UInt32?
  private var hasSeenCompression = false

  /// Whether a Close frame has been seen, and where it ended.
  private(set) var closeEnd: Int?

  /// A walker at the first byte after the handshake.
  init(sender: ConnectionType, coding: PayloadCoding, offset: Int, options: InspectionOptions) {
    self.options = options
    self.sender = sender
    self.coding = coding
    self.offset = offset
    state = .frames
  }

  /// A walker somewhere in a connection.
  init(searchingFor sender: ConnectionType?, offset: Int, options: InspectionOptions) {
    self.options = options
    self.sender = sender
    self.offset = offset
    coding = .unknownHistory
    state = .searching
    passedFrom = offset
    confirmed = 0
  }

  /// The sender is known from the other direction.
  mutating func learn(_ sender: ConnectionType) {
    if self.sender == nil { self.sender = sender }
  }

  /// Whether bytes are still read.
  var isReading: Bool { state != .stopped }

  // MARK: Bytes

  /// Takes bytes of the stream; a segment of TCP at a time, where it is known.
  mutating func receive(_ bytes: ArraySlice<UInt8>, _ each: (Event) -> Void) {
    var rest = bytes
    // Frames are looked for where a segment begins: few begin elsewhere in a segment that doesn't begin with one.
    var isSegmentStart = true
    while !rest.isEmpty {
      defer { isSegmentStart = false }
      switch state {
      case .stopped:
        offset += rest.count
        return
      case .searching:
        guard isSegmentStart, FrameHead.isPlausibleStart(rest, isMasked: sender.map { $0 == .client }) else {
          passed += rest.count
          offset += rest.count
          return
        }
        begin(rest, each)
      case .frames:
        if current == nil {
          takeHead(&rest, each)
        } else {
          takePayload(&rest, each)
        }
      }
    }
  }

  /// The capture doesn't have the next `count` bytes.
  mutating func lose(_ count: Int, _ each: (Event) -> Void) {
    let start = offset
    offset += count
    guard state == .frames else {
      if state == .searching { passed += count }
      return
    }
    if var frame = current, UInt64(count) <= frame.remaining {
      // Where the frame ends is known, so what follows it can be read.
      frame.remaining -= UInt64(count)
      frame.record.missing += UInt64(count)
      current = frame
      damage()
      if frame.remaining == 0 { endFrame(each) }
      each(.finding(.note("missing-bytes", at: start, "\(count) bytes of a payload are not in the capture")))
      return
    }
    if current != nil { endFrame(each, isCut: true) }
    let message = "\(count) bytes are not in the capture, and with them the boundaries of frames"
    each(.finding(.note("missing-frames", at: start, message)))
    search()
  }

  /// The stream has ended, or the capture has.
  mutating func finish(_ each: (Event) -> Void) {
    switch state {
    case .stopped: return
    case .searching: reportPassed(each)
    case .frames:
      if !collected.isEmpty {
        let start = offset - collected.count
        // A header that is cut off may already break a rule.
        if judge(collected, at: start, each) {
          each(.finding(.note("cut-off-frame", at: start, "the stream ends inside a frame's header")))
        }
      } else if let frame = current {
        let left = frame.remaining
        let start = frame.record.offset
        endFrame(each, isCut: true)
        each(
          .finding(
            .note("cut-off-frame", at: start, "the stream ends with \(left) bytes of a payload missing")
          )
        )
      } else if let message, !message.record.isDamaged {
        each(
          .finding(.note("unfinished-message", at: message.record.offset, "the message is not finished"))
        )
      }
    }
    state = .stopped
  }

  // MARK: Searching

  /// Frames begin here, as far as can be seen.
  private mutating func begin(_ bytes: ArraySlice<UInt8>, _ each: (Event) -> Void) {
    state = .frames
    if sender == nil, let second = bytes.byte(1) {
      let found: ConnectionType = second & 0x80 != 0 ? .client : .server
      sender = found
      each(.sender(found))
    }
    sequence = MessageDecoder()
    message = nil
    confirmed = 0
    renewDecoder(.betweenMessages)
  }

  private mutating func search() {
    state = .searching
    passedFrom = offset
    passed = 0
    collected = []
    current = nil
    coding = coding.afterLoss
  }

  private mutating func reportPassed(_ each: (Event) -> Void) {
    guard passed > 0 else { return }
    each(
      .finding(.note("no-frames", at: passedFrom, "\(passed) bytes in which no frame's beginning was found"))
    )
    passed = 0
  }

  private mutating func renewDecoder(_ beginning: RecoveredDeflate.Beginning) {
    if case .unknownHistory = coding { recovery = RecoveredDeflate(beginning) } else { recovery = nil }
    var limits = Limits(maxMessageBytes: .max)
    limits.maxMessageWireBytes = .max
    limits.maxMessageFragments = .max
    decoder = FrameDecoder(
      client: sender == .server,
      extensions: coding.extensions(recovery),
      limits: limits
    )
  }

  // MARK: Headers

  private mutating func takeHead(_ rest: inout ArraySlice<UInt8>, _ each: (Event) -> Void) {
    while let byte = rest.popFirst() {
      collected.append(byte)
      offset += 1
      guard let second = collected[...].byte(1), collected.count == FrameHead.size(secondByte: second),
        let head = FrameHead(collected[...])
      else { continue }
      let bytes = collected
      collected.removeAll(keepingCapacity: true)
      return open(head, bytes, each)
    }
  }

  private mutating func open(_ head: FrameHead, _ bytes: [UInt8], _ each: (Event) -> Void) {
    let start = offset - head.size
    if decoder == nil { renewDecoder(.betweenMessages) }
    let record = FrameRecord(number: frames + 1, offset: start, head: head, payload: [])
    current = Current(record: record, remaining: head.payloadLength)
    guard judge(bytes, at: start, each) else { return }
    frames += 1
    if confirmed != nil { reportPassed(each) }
    observe(head, at: start, each)
    readParts(each)
  }

  /// Has the decoder judge a header. Returns whether it may go on; where it may not, the walker has stopped or searches.
  private mutating func judge(_ header: [UInt8], at start: Int, _ each: (Event) -> Void) -> Bool {
    if decoder == nil { renewDecoder(.betweenMessages) }
    guard let decoder else { return false }
    do throws(ParseFailed) {
      decoder.receiveBytes(header)
      pendingPart = try decoder.processBuffer()
      return true
    } catch {
      if let confirmed, confirmed < 2 {
        // The beginning was guessed, and wrong.
        let refused = current?.record.offset ?? start
        search()
        passedFrom = refused
        passed = offset - refused
        return false
      }
      if var record = current?.record {
        record.payload = []
        each(.frame(record))
      }
      current = nil
      state = .stopped
      each(.finding(Finding(error, at: start + Rule(error).headerByte, stops: true)))
      return false
    }
  }

  /// What the decoder gave for a header: the whole of a frame without a payload.
  private var pendingPart: Frame?

  private mutating func observe(_ head: FrameHead, at start: Int, _ each: (Event) -> Void) {
    if let key = head.maskingKey, head.payloadLength > 0 {
      if key == 0 {
        each(
          .finding(.oddity("zero-mask", "RFC 6455 §5.3", at: start, "a masking key of zero changes nothing"))
        )
      } else if key == lastKey {
        each(
          .finding(
            .oddity("repeated-mask", "RFC 6455 §5.3", at: start, "the masking key of the frame before")
          )
        )
      }
      lastKey = key
    }
    if let closeEnd {
      if !head.isControl {
        each(
          .finding(
            .violation(
              "data-after-close",
              "RFC 6455 §5.5.1",
              at: start,
              "a data frame after the Close at byte \(closeEnd)"
            )
          )
        )
      } else {
        each(
          .finding(
            .oddity(
              "frame-after-close",
              "RFC 6455 §5.5.1",
              at: start,
              "a \(head.opcodeName) frame after the Close"
            )
          )
        )
      }
    }
    if head.meaning == .text || head.meaning == .binary {
      if head.rsv.rsv1 {
        hasSeenCompression = true
      } else if case .deflate = coding {
        oddityUncompressed(head, start, each)
      } else if case .unknownHistory = coding, hasSeenCompression {
        oddityUncompressed(head, start, each)
      }
    }
    let isWholeMessage = head.fin && head.opcode != 0
    if head.payloadLength == 0, !head.isControl, !isWholeMessage {
      let what = head.fin ? "the last fragment of a message is empty" : "an empty fragment"
      each(.finding(.oddity("empty-fragment", "RFC 6455 §5.4", at: start, what)))
    }
  }

  private func oddityUncompressed(_ head: FrameHead, _ start: Int, _ each: (Event) -> Void) {
    let what = "a message that is not compressed, where permessage-deflate is in use"
    each(.finding(.oddity("uncompressed-message", "RFC 7692 §6", at: start, what)))
  }

  // MARK: Payloads

  /// How much is decoded at a time.
  private static let slice = 64 << 10

  private mutating func takePayload(_ rest: inout ArraySlice<UInt8>, _ each: (Event) -> Void) {
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
  private func show(_ bytes: ArraySlice<UInt8>, of frame: inout Current) {
    let kept = frame.record.head.isControl ? 125 : options.framePreviewBytes
    let have = frame.record.payload.count
    guard have < kept, frame.record.missing == 0 else { return }
    let key = frame.record.head.maskingKey ?? 0
    for (index, byte) in bytes.prefix(kept - have).enumerated() {
      frame.record.payload.append(byte ^ UInt8(truncatingIfNeeded: key >> UInt32((have + index) % 4 * 8)))
    }
  }

  private mutating func readParts(_ each: (Event) -> Void) {
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

  private mutating func take(_ part: Frame, _ each: (Event) -> Void) {
    guard let frame = current, case .bytes(let bytes) = part.payload else { return }
    let head = frame.record.head
    if head.isControl {
      if head.meaning == .close { readClose(bytes, each) }
      return endFrame(each)
    }
    guard enterSequence(part.frameFinished, each) else { return }
    let unknown = recovery?.takeUnknown() ?? 0
    let before = message?.record.size ?? 0
    if let failsAt = message?.append(bytes, unknown: unknown, kept: options.messageBytes) {
      reportText(failsAt, before, frame, each)
    }
    current?.delivered += bytes.count
    if part.frameFinished { endFrame(each) }
  }

  private func reportText(_ failsAt: Int, _ before: UInt64, _ frame: Current, _ each: (Event) -> Void) {
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

  private mutating func readClose(_ bytes: Bytes, _ each: (Event) -> Void) {
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

  /// Tells the sequence of the current data frame, once. Returns `false` if it is out of order: the walker has stopped.
  private mutating func enterSequence(_ isFinished: Bool, _ each: (Event) -> Void) -> Bool {
    guard let frame = current, !frame.isInSequence else { return true }
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
    current?.isInSequence = true
    message?.record.frames += 1
    message?.record.wireBytes += head.payloadLength
    return true
  }

  /// The first frame seen is the middle of a message.
  private mutating func joinMessage(_ frame: Current) {
    _ = try? sequence.processFrame(
      Frame(opcode: .binary, payload: .bytes(Bytes()), frameFinished: true, messageFinished: false)
    )
    messages += 1
    message = MessageUnderWay(MessageRecord(number: messages, opcode: nil, offset: frame.record.offset))
    message?.damage(0)
  }

  /// The rest of the current frame cannot be decoded.
  private mutating func damage() {
    current?.isDamaged = true
    decoder = nil
    coding = coding.afterLoss
    if let frame = current, frame.record.head.isControl { return }
    message?.damage(0)
  }

  /// The current frame is over.
  ///
  /// - Parameter isCut: whether it is over because nothing more of it will come.
  private mutating func endFrame(_ each: (Event) -> Void, isCut: Bool = false) {
    guard var frame = current else { return }
    if !frame.record.head.isControl {
      guard enterSequence(true, each) else { return }
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

  private mutating func endMessage(_ frame: Current, _ each: (Event) -> Void) {
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
