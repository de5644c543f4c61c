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

  enum State {
    /// Frames may begin with each segment.
    case searching
    case frames
    /// Nothing after a violation can be read.
    case stopped
  }

  /// A frame whose header has been read.
  struct Current {
    var record: FrameRecord
    var remaining: UInt64
    /// Decoded bytes that its message has got from it.
    var delivered = 0
    var isDamaged = false
  }

  let options: InspectionOptions
  var state: State
  /// Who sends; `nil` until the first frame shows it.
  private(set) var sender: ConnectionType?
  var coding: PayloadCoding
  /// The offset of the next byte.
  var offset: Int

  var collected: [UInt8] = []
  var current: Current?
  var decoder: FrameDecoder?
  var recovery: RecoveredDeflate?
  var sequence = MessageDecoder()
  var message: MessageUnderWay?
  /// What the decoder gave for a header: the whole of a frame without a payload.
  var pendingPart: Frame?
  var frames = 0
  var messages = 0
  /// Frames since the beginning was guessed; `nil` where it is known.
  var confirmed: Int?
  /// Bytes in which no frame was found.
  var passed = 0
  /// The first byte that belongs to no frame that was found.
  var passedFrom = 0
  var lastKey: UInt32?
  var hasSeenCompression = false

  /// Whether a Close frame has been seen, and where it ended.
  var closeEnd: Int?

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
  mutating func begin(_ bytes: ArraySlice<UInt8>, _ each: (Event) -> Void) {
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

  mutating func search() {
    state = .searching
    passedFrom = offset
    passed = 0
    collected = []
    current = nil
    coding = coding.afterLoss
  }

  mutating func reportPassed(_ each: (Event) -> Void) {
    guard passed > 0 else { return }
    each(
      .finding(.note("no-frames", at: passedFrom, "\(passed) bytes in which no frame's beginning was found"))
    )
    passed = 0
  }

  mutating func renewDecoder(_ beginning: RecoveredDeflate.Beginning) {
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
}
