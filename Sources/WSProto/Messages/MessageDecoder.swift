// SPDX-License-Identifier: Apache-2.0

/// Turns frames into messages: checks the order of data frames and the text in them
/// (RFC 6455 §5.4, §5.6, §8.1).
///
/// Pass it the data frames of a ``FrameDecoder``. Each is returned with the type of its message; text is
/// validated and becomes a `String`. An unfinished character at the end of a part is held back until the next
/// part.
public struct MessageDecoder: Sendable {
  /// The type of the current message; `nil` between messages.
  public var opcode: Opcode? { sequence.opcode }

  private var sequence = MessageSequence()
  private var text = TextParts()
  /// Whether a frame has begun and not ended: further parts then belong to it.
  private var isInsideFrame = false

  /// Creates a decoder that expects the start of a message.
  public init() {}

  /// Takes a data frame, or a part of one.
  ///
  /// - Throws: `ParseFailed` if the frame is out of order (1002) or its text is not UTF-8 (1007). A control
  ///   frame, or a payload that isn't bytes, also counts as out of order.
  public mutating func processFrame(_ frame: Frame) throws(ParseFailed) -> Frame {
    guard case .bytes(let data) = frame.payload else {
      throw ParseFailed("a control frame is no part of a message")
    }
    if !isInsideFrame || frame.opcode != .continuation, try sequence.begin(frame.opcode) { text.reset() }
    isInsideFrame = !frame.frameFinished
    let type = sequence.opcode ?? frame.opcode
    let finished = frame.frameFinished && frame.messageFinished
    var payload = frame.payload
    if type == .text { payload = .text(try string(data, isLast: finished)) }
    if finished { sequence.end() }
    return Frame(
      opcode: type,
      payload: payload,
      frameFinished: frame.frameFinished,
      messageFinished: finished
    )
  }

  private mutating func string(_ data: Bytes, isLast: Bool) throws(ParseFailed) -> String {
    var joined: [UInt8] = []
    joined.reserveCapacity(text.pendingCount + data.count)
    text.withPendingBytes { joined.append(contentsOf: $0) }
    joined.append(contentsOf: data)
    let (usable, isValid) = joined.span.bytes.withUnsafeBytes { text.cut($0, isLast: isLast) }
    if !isValid { throw TextParts.notUTF8 }
    return String(decoding: joined.prefix(usable), as: UTF8.self)
  }
}
