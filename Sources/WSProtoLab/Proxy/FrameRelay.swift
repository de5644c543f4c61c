// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The frames of one direction on their way through a proxy, as the rules want them. What no rule is about passes as it
/// came, byte for byte, before its frame has ended.
struct FrameRelay {
  /// How a message, or a control frame, passes.
  enum Route: Equatable {
    case passing
    case dropping
    /// Kept until it is complete, for the rules that look at it.
    case collecting
    /// Inflated, and sent in fragments that aren't compressed: it may refer to a message that the receiver lacks.
    case inflating(hasBegun: Bool)
  }

  /// A frame whose header has been read.
  struct Current {
    var head: FrameHead
    var done: UInt64 = 0
    var remaining: UInt64 { head.payloadLength - done }
  }

  /// A message under way.
  struct Message {
    var opcode: UInt8
    var isCompressed: Bool
    var route: Route
    /// What has been collected.
    var passing: PassingMessage
    var rules: [NumberedRule] = []
    var wireBytes = 0
    /// Nanoseconds by which it passes later.
    var delay: Int64 = 0
  }

  let sender: Direction
  let rules: [NumberedRule]
  /// The most of a message that is collected, on the wire and inflated each.
  let maxHeldBytes: Int
  /// What is known of compressed messages; `nil` without permessage-deflate.
  let history: SentHistory?
  /// Whether reserved bits mean something that isn't known here, so that contents aren't known either.
  let isOpaque: Bool
  var random: SeededGenerator

  var collected: [UInt8] = []
  var current: Current?
  var message: Message?
  var control: Message?
  var held: RuleApplication?
  /// The receiver lacks a compressed message, so that none is sent to it any more.
  var isHistoryBroken = false
  /// A Close of the proxy's has been sent: nothing passes any more.
  var isClosed = false
  /// What is to be sent at the next boundary of frames or messages.
  var injections: [Injection] = []

  init(
    sender: Direction,
    coding: PayloadCoding,
    rules: [NumberedRule],
    maxHeldBytes: Int,
    random: SeededGenerator
  ) {
    self.sender = sender
    self.rules = rules.filter { $0.rule.scope.includes(sender) }
    self.maxHeldBytes = maxHeldBytes
    self.random = random
    switch coding {
    // Without rules, nothing is changed.
    case .deflate(let deflate) where !self.rules.isEmpty:
      history = SentHistory(deflate, sender: sender)
      isOpaque = false
    case .deflate, .plain:
      history = nil
      isOpaque = false
    case .unknownHistory, .unknownExtension:
      history = nil
      isOpaque = true
    }
  }

  /// How much is read at a time: what it inflates to is bounded then.
  private static let slice = 4 << 10
  /// Above so many bytes of output, nothing more is read for now.
  private static let maxOutput = 256 << 10

  // MARK: Input

  /// Reads bytes from the front of `input`, all of them unless much has come out or a message is held.
  mutating func receive(_ input: inout ArraySlice<UInt8>, _ out: inout RelayOutput) {
    while !input.isEmpty, held == nil, out.byteCount < Self.maxOutput {
      if isClosed {
        input = []
      } else if current == nil {
        takeHead(&input, &out)
      } else {
        takePayload(&input, &out)
      }
    }
  }

  /// The sender's stream has ended: what was collected of a message passes as it is.
  mutating func end(_ out: inout RelayOutput) {
    guard !isClosed else { return }
    for unfinished in [message, control] {
      guard let unfinished, unfinished.route == .collecting else { continue }
      out.add(unfinished.passing.bytes)
    }
    if !collected.isEmpty { out.add(collected) }
    (message, control, collected) = (nil, nil, [])
    isClosed = true
  }

  /// Ends the direction with a Close, between two frames.
  mutating func close(_ code: CloseReason, _ reason: String, _ out: inout RelayOutput) {
    guard !isClosed else { return }
    let closing = Injection(closing: code, reason)
    out.add(PassingFrame(opcode: Opcode.close.rawValue, plain: closing.payload, key: maskingKey()).bytes)
    out.add(.close(code, reason))
    isClosed = true
  }

  mutating func reset(_ out: inout RelayOutput) {
    out.add(.reset)
    isClosed = true
  }

  private mutating func takeHead(_ input: inout ArraySlice<UInt8>, _ out: inout RelayOutput) {
    while let byte = input.popFirst() {
      collected.append(byte)
      guard let second = collected[...].byte(1), collected.count == FrameHead.size(secondByte: second),
        let head = FrameHead(collected[...])
      else { continue }
      let header = collected
      collected = []
      current = Current(head: head)
      begin(head, header, &out)
      if isClosed { return }
      if head.payloadLength == 0 { endFrame(&out) }
      return
    }
  }

  private mutating func takePayload(_ input: inout ArraySlice<UInt8>, _ out: inout RelayOutput) {
    guard let frame = current else { return }
    let isRead = history != nil && message?.isCompressed == true && !frame.head.isControl
    let limit = isRead ? min(input.count, Self.slice) : input.count
    // The smaller value fits Int.
    let count = Int(min(frame.remaining, UInt64(limit)))
    let bytes = Array(input.prefix(count))
    input = input.dropFirst(count)
    pass(bytes, of: frame, &out)
    current?.done += UInt64(count)
    if current?.remaining == 0 { endFrame(&out) }
  }

  // MARK: Frames

  private mutating func begin(_ head: FrameHead, _ header: [UInt8], _ out: inout RelayOutput) {
    if head.isControl {
      control = open(head, &out)
    } else if head.opcode != 0 || message == nil {
      // A message inside another one: what was collected of that passes as it is.
      if let unfinished = message, unfinished.route == .collecting { out.add(unfinished.passing.bytes) }
      message = open(head, &out)
    }
    guard !isClosed, var target = takeUnderWay(isControl: head.isControl) else { return }
    defer { if head.isControl { control = target } else { message = target } }
    switch target.route {
    case .passing: out.add(header, delay: target.delay)
    case .dropping, .inflating: break
    case .collecting:
      target.passing.frames.append(PassingFrame(head, header: header))
      target.wireBytes += header.count
      let total = UInt64(target.wireBytes).addingReportingOverflow(head.payloadLength)
      if total.overflow || total.partialValue > UInt64(maxHeldBytes) { letPass(&target, &out) }
    }
  }

  /// The message, or the control frame, that is under way: out of its place while it changes, so that what was collected
  /// of it is not copied.
  mutating func takeUnderWay(isControl: Bool) -> Message? {
    if isControl {
      defer { control = nil }
      return control
    }
    defer { message = nil }
    return message
  }

  /// Decides how a message, or a control frame, passes that begins with `head`.
  private mutating func open(_ head: FrameHead, _ out: inout RelayOutput) -> Message {
    let isCompressed = history != nil && head.rsv.rsv1 && !head.isControl
    var message = Message(
      opcode: head.opcode,
      isCompressed: isCompressed,
      route: .passing,
      passing: PassingMessage(
        opcode: head.opcode,
        frames: [],
        content: isOpaque && !head.rsv.isEmpty || head.opcode == 0 ? nil : [],
        isCompressed: isCompressed
      )
    )
    // Each draws in any case, so that what is drawn depends on the number of messages only.
    message.rules = rules.filter { one in
      one.rule.kind.includes(head.opcode) && random.happens(one.rule.probability)
    }
    if !message.rules.allSatisfy(\.rule.isForStreams) {
      message.route = .collecting
    } else {
      stream(&message, &out)
    }
    return message
  }

  /// Applies rules that need not see the message.
  private mutating func stream(_ message: inout Message, _ out: inout RelayOutput) {
    var application = RuleApplication(
      Self.unseen(message),
      message.rules,
      hasHistory: history?.isKept == true
    )
    let outcome = application.run(&random)
    for note in application.notes { out.add(.note(note)) }
    switch outcome {
    case .send where application.copies == 0: message.route = .dropping
    case .send, .held:
      let mustInflate = message.isCompressed && isHistoryBroken && history?.hasFailed == false
      message.route = mustInflate ? .inflating(hasBegun: false) : .passing
      message.delay = application.delay
    case .close(let code, let reason):
      message.route = .dropping
      close(code, reason, &out)
    case .reset:
      message.route = .dropping
      reset(&out)
    }
    if application.breaksHistory { isHistoryBroken = true }
  }

  /// A message of which nothing but its beginning is known.
  private static func unseen(_ message: Message) -> PassingMessage {
    var passing = message.passing
    passing.content = nil
    return passing
  }
}
