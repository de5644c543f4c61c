// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Passes the frames of one direction through the proxy, and applies the rules. Messages that no rule looks at pass
/// byte for byte, without waiting for the end of a frame.
struct FrameRelay {
  /// How a message or a control frame is passed on.
  enum Route: Equatable {
    case passing
    case dropping
    /// Collected until it is complete, for the rules that need to see it.
    case collecting
    /// Inflated, and sent in uncompressed fragments, because it may refer to a message that the receiver didn't get.
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
    /// The frames collected so far.
    var passing: PassingMessage
    var rules: [NumberedRule] = []
    var wireBytes = 0
    /// The delay in nanoseconds.
    var delay: Int64 = 0
  }

  let sender: Direction
  let rules: [NumberedRule]
  /// The most bytes of a message that are collected, both on the wire and inflated.
  let maxHeldBytes: Int
  /// Inflates the compressed messages; `nil` without permessage-deflate.
  let history: SentHistory?
  /// Whether an unknown extension is in use, so that the content of frames with reserved bits is unknown.
  let isOpaque: Bool
  /// For the rules. It draws as often as the messages and the rules want, however the bytes are cut.
  var random: SeededGenerator
  /// For masking keys, whose number depends on the cuts.
  var keys: SeededGenerator

  var collected: [UInt8] = []
  var current: Current?
  var message: Message?
  var control: Message?
  var held: RuleApplication?
  /// Whether the receiver didn't get a compressed message. From then on, messages are sent to it uncompressed.
  var isHistoryBroken = false
  /// Whether the receiver has got a Close, behind which nothing is injected (RFC 6455 §5.5.1).
  var hasPassedClose = false
  /// Whether this direction has ended. Further input is discarded.
  var isClosed = false
  /// Frames to send as soon as the frame or message under way has ended.
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
    keys = random.forked()
    switch coding {
    // Without rules, nothing needs to be inflated.
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

  /// How much compressed input is read at a time, which bounds the output of inflating it.
  private static let slice = 4 << 10
  /// Reading pauses after this many bytes of output.
  private static let maxOutput = 256 << 10

  // MARK: Input

  /// Reads bytes from the front of `input`: all of them, unless there is much output or a message is held.
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

  /// The sender's stream has ended. An incomplete message that was being collected passes unchanged.
  mutating func end(_ out: inout RelayOutput) {
    guard !isClosed else { return }
    // Behind the beginning of a control frame, bytes of a message would be taken for its payload.
    let isInsideControl = current?.head.isControl == true && control?.route == .passing
    for unfinished in isInsideControl ? [] : [message, control] {
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
    if !hasPassedClose {
      let closing = Injection(closing: code, reason)
      out.add(PassingFrame(opcode: Opcode.close.rawValue, plain: closing.payload, key: maskingKey()).bytes)
    }
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
      if head.opcode == Opcode.close.rawValue { giveUpCollecting(&out) }
      control = open(head, &out)
    } else if head.opcode != 0 || message == nil {
      // A new message before the end of the last one. What was collected of the last one passes unchanged.
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

  /// Lets go of the message that is collected: no data may follow a Close (RFC 6455 §5.5.1).
  private mutating func giveUpCollecting(_ out: inout RelayOutput) {
    guard var unfinished = message, unfinished.route == .collecting else { return }
    message = nil
    if unfinished.isCompressed, isHistoryBroken {
      unfinished.route = .dropping
    } else {
      out.add(unfinished.passing.bytes)
      unfinished.route = .passing
    }
    unfinished.passing.frames = []
    unfinished.passing.content = nil
    message = unfinished
  }

  /// Takes the message or control frame under way out of its property, so that changing it doesn't copy what was collected.
  mutating func takeUnderWay(isControl: Bool) -> Message? {
    if isControl {
      defer { control = nil }
      return control
    }
    defer { message = nil }
    return message
  }

  /// Begins a message or a control frame, and decides how it is passed on.
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
    // Every rule draws for every message, so the results depend only on the number of messages.
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

  /// Applies rules that don't need to see the message.
  private mutating func stream(_ message: inout Message, _ out: inout RelayOutput) {
    var application = RuleApplication(
      Self.unseen(message),
      message.rules,
      hasHistory: history?.isKept == true
    )
    let outcome = application.run(&random, &keys)
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

  /// The message as known from its first header.
  private static func unseen(_ message: Message) -> PassingMessage {
    var passing = message.passing
    passing.content = nil
    return passing
  }
}
