// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A message of which not all frames have been seen.
struct MessageUnderWay {
  var record: MessageRecord
  /// Validates text; `nil` where that says nothing: binary messages, after a fault, and where bytes are unknown.
  private var validator: UTF8Validator?

  init(_ record: MessageRecord) {
    self.record = record
    validator = record.opcode == .text ? UTF8Validator() : nil
  }

  /// Adds decoded bytes; at most `kept` of the whole message are kept.
  ///
  /// - Parameter unknown: which of them are unknown. Text is judged up to the first.
  /// - Returns: the first byte, counted within `bytes`, that no continuation could make valid text.
  mutating func append(_ bytes: Bytes, unknown: RecoveredDeflate.Unknown, kept: Int) -> Int? {
    record.size += UInt64(bytes.count)
    record.unknownBytes += UInt64(unknown.count)
    let room = kept - record.content.count
    if room > 0 { record.content.append(contentsOf: bytes.prefix(room)) }
    guard validator != nil else { return nil }
    let failure = bytes.withUnsafeBytes { buffer in
      // In bounds: the first unknown byte is one of them.
      buffer.baseAddress.flatMap { validator?.validate($0, count: min(buffer.count, unknown.first ?? .max)) }
    }
    if failure != nil || unknown.count > 0 { validator = nil }
    return failure
  }

  /// A part of it could not be read.
  mutating func damage(_ missing: UInt64) {
    record.isDamaged = true
    record.unknownBytes += missing
    validator = nil
  }

  /// Whether its text ends inside a character.
  var endsInsideCharacter: Bool { validator.map { !$0.isComplete } ?? false }
}
