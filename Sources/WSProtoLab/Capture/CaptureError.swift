// SPDX-License-Identifier: Apache-2.0

/// A capture that cannot be read further: where, and what was expected there.
///
/// Everything that was shown before is right. Nothing after ``offset`` can be read.
public struct CaptureError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The byte in the file, counted from 0.
  public var offset: Int
  /// The line in a file of text, counted from 1; `nil` for a binary file.
  public var line: Int?
  /// What was expected, and what is there.
  public var message: String

  init(at offset: Int, line: Int? = nil, _ message: String) {
    self.offset = offset
    self.line = line
    self.message = message
  }

  /// The place and the message.
  public var description: String {
    if let line { return "line \(line): \(message)" }
    return "byte \(offset): \(message)"
  }
}
