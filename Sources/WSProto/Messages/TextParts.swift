// SPDX-License-Identifier: Apache-2.0

/// The text of one message as it arrives (RFC 6455 §5.6, §8.1): valid UTF-8 over the bounds of parts and frames.
///
/// The rule stands here for all that receive: a text fails at the earliest byte that no continuation could make valid,
/// and where its message ends inside a character.
struct TextParts: Sendable {
  /// Holds the bytes of a character that isn't finished yet.
  private var validator = UTF8Validator()

  /// The failure of a text that is not UTF-8.
  static var notUTF8: ParseFailed {
    ParseFailed("a text message that is not UTF-8", .invalidFramePayloadData)
  }

  /// Starts anew, for the next message.
  mutating func reset() { validator.reset() }

  /// How many bytes at the end of what was seen belong to an unfinished character.
  var pendingCount: Int { validator.pendingCount }

  /// Calls `body` with those bytes. In delivery by parts they go in front of the next part.
  func withPendingBytes(_ body: (UnsafeRawBufferPointer) -> Void) { validator.withPendingBytes(body) }

  /// Checks further bytes of a text that is delivered as a whole, unmasking them first where `key` isn't 0. Throws
  /// if they are not valid, or if they are the last ones and end inside a character.
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

  /// Cuts a part for delivery: what of its bytes is complete, valid text. The part begins with the pending bytes of the
  /// one before; the bytes of an unfinished character at its end become the pending ones.
  ///
  /// - Returns: the count of usable bytes, and whether all is well. If not, the usable bytes come before the failure.
  mutating func cut(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> (usable: Int, isValid: Bool) {
    validator.reset()
    guard let start = bytes.baseAddress else { return (0, true) }
    guard let failsAt = validator.validate(start, count: bytes.count) else {
      let isValid = !isLast || validator.isComplete
      return (bytes.count - validator.pendingCount, isValid)
    }
    validator.reset()
    // Up to the offending byte all is valid, but perhaps for an unfinished character.
    var prefix = UTF8Validator()
    _ = prefix.validate(start, count: failsAt)
    return (failsAt - prefix.pendingCount, false)
  }
}
