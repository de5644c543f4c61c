// SPDX-License-Identifier: Apache-2.0

/// Frames → messages: the order of data frames and the text in them (RFC 6455 §5.4, §5.6, §8.1).
///
/// Feed it the data frames of a ``FrameDecoder``. Each comes back with the type of its message; text is validated and
/// becomes a `String`, an unfinished character at its end waits for the next part.
public struct MessageDecoder: Sendable {
  /// The type of the message under way; `nil` between messages.
  public private(set) var opcode: Opcode?

  private var validator = UTF8Validator()

  /// A decoder between messages.
  public init() {}

  /// Takes a data frame, or a part of one.
  ///
  /// - Throws: `ParseFailed` where the frame is out of order (1002), or its text is not UTF-8 (1007); a control frame
  ///   or a payload that isn't bytes is out of order too.
  public mutating func processFrame(_ frame: Frame) throws(ParseFailed) -> Frame {
    guard !frame.opcode.isControl, case .bytes(let data) = frame.payload else {
      throw ParseFailed("a control frame is no part of a message")
    }
    try checkOrder(frame.opcode)
    if opcode == nil {
      opcode = frame.opcode
      validator = UTF8Validator()
    }
    let type = opcode ?? frame.opcode
    let finished = frame.frameFinished && frame.messageFinished
    var payload = frame.payload
    if type == .text { payload = .text(try text(data, finished: finished)) }
    if finished { opcode = nil }
    return Frame(
      opcode: type,
      payload: payload,
      frameFinished: frame.frameFinished,
      messageFinished: finished
    )
  }

  /// Whether a frame with this opcode may come now, which its header alone decides.
  func checkOrder(_ next: Opcode) throws(ParseFailed) {
    switch (opcode, next) {
    case (nil, .continuation): throw ParseFailed("a continuation frame without a message to continue")
    case (.some, .text), (.some, .binary): throw ParseFailed("a new message before the last one was finished")
    case (nil, .text), (nil, .binary), (.some, .continuation), (_, .close), (_, .ping), (_, .pong): break
    }
  }

  private mutating func text(_ data: Bytes, finished: Bool) throws(ParseFailed) -> String {
    let pending = validator
    var joined: [UInt8] = []
    joined.reserveCapacity(pending.pendingCount + data.count)
    pending.withPendingBytes { joined.append(contentsOf: $0) }
    joined.append(contentsOf: data)
    var checker = UTF8Validator()
    let failsAt = joined.withUnsafeBytes { bytes in
      bytes.baseAddress.flatMap { checker.validate($0, count: bytes.count) }
    }
    if failsAt != nil || (finished && !checker.isComplete) {
      throw ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData)
    }
    validator = checker
    joined.removeLast(checker.pendingCount)
    return String(decoding: joined, as: UTF8.self)
  }
}
