// SPDX-License-Identifier: Apache-2.0

/// A mistake in a file of tests: where, and what was expected there.
package struct ScenarioSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file.
  package var file: String
  /// The line, from 1.
  package var line: Int
  /// The character in the line, from 1.
  package var column: Int
  /// What was expected, and what is there.
  package var message: String

  /// `file:line:column: message`, as compilers write it.
  package var description: String { "\(shown(file)):\(line):\(column): \(message)" }
}
