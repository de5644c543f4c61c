// SPDX-License-Identifier: Apache-2.0

/// The text of one message as it arrives (RFC 6455 §5.6, §8.1): valid UTF-8 across parts and frames.
///
/// All ways of receiving share this rule: a text fails at the earliest byte that no continuation could make
/// valid, or if its message ends inside a character.
struct TextParts: Sendable {
  /// Holds the bytes of an unfinished character.
  private var validator = UTF8Validator()

  /// The error for text that is not UTF-8.
  static var notUTF8: ParseFailed {
    ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData)
  }

  /// Starts over, for the next message.
  mutating func reset() { validator.reset() }

  /// How many bytes at the end of the input so far belong to an unfinished character.
  var pendingCount: Int { validator.pendingCount }

  /// Calls `body` with those bytes. When text is delivered in parts, they are prepended to the next part.
  func withPendingBytes(_ body: (UnsafeRawBufferPointer) -> Void) { validator.withPendingBytes(body) }

  /// Checks further bytes of a text that is delivered whole, after unmasking them if `key` isn't 0. Throws if
  /// they are invalid, or if they are the last ones and end inside a character.
  mutating func check(
    _ base: UnsafeMutableRawPointer,
    count: Int,
    key: UInt32,
    isLast: Bool
  ) throws(ParseFailed) {
    let failsAt =
      key != 0
      ? validator.unmask(base, count: count, key: key)
      : validator.validate(UnsafeRawPointer(base), count: count)
    if failsAt != nil || (isLast && !validator.isComplete) { throw Self.notUTF8 }
  }

  /// Determines which bytes can be delivered: complete, valid text. The part starts with the pending bytes of
  /// the previous one; the bytes of an unfinished character at its end become the new pending bytes.
  ///
  /// - Returns: the number of usable bytes, and whether the text is valid. If it isn't, deliver the usable
  ///   bytes before the failure.
  mutating func cut(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> (usable: Int, isValid: Bool) {
    validator.reset()
    guard let start = bytes.baseAddress else { return (0, true) }
    guard let failsAt = validator.validate(start, count: bytes.count) else {
      let isValid = !isLast || validator.isComplete
      return (bytes.count - validator.pendingCount, isValid)
    }
    validator.reset()
    // Everything before the offending byte is valid, except possibly an unfinished character.
    var prefix = UTF8Validator()
    _ = prefix.validate(start, count: failsAt)
    return (failsAt - prefix.pendingCount, false)
  }
}
