// SPDX-License-Identifier: Apache-2.0

#if Tool
/// The lines that were typed, the oldest first.
package struct History: Equatable, Sendable {
  package static let maxCount = 1000

  package private(set) var lines: [String]
  /// Where `older` and `newer` are; the count of `lines` is the line that is being typed.
  private var position: Int
  /// What was typed before `older` was called.
  private var draft = ""

  package init(lines: [String] = []) {
    self.lines = Array(lines.suffix(Self.maxCount))
    position = self.lines.count
  }

  /// Adds a line, unless it is empty, the same as the last one, or begins with a space, as in shells.
  package mutating func add(_ line: String) {
    if !line.isEmpty, line.first != " ", line != lines.last { lines.append(line) }
    if lines.count > Self.maxCount { lines.removeFirst() }
    position = lines.count
  }

  /// The line before; `current` comes back at the end.
  package mutating func older(than current: String) -> String? {
    guard position > 0 else { return nil }
    if position == lines.count { draft = current }
    position -= 1
    return lines[position]
  }

  /// The line after.
  package mutating func newer() -> String? {
    guard position < lines.count else { return nil }
    position += 1
    return position == lines.count ? draft : lines[position]
  }

  // MARK: On disk

  /// The contents of a file: a line each, backslashes and line ends within them escaped.
  package init(file: String) {
    let lines = file.split(separator: "\n").map { line in
      var result = ""
      var isEscaped = false
      for character in line {
        if isEscaped {
          result.append(character == "n" ? "\n" : character)
          isEscaped = false
        } else if character == "\\" {
          isEscaped = true
        } else {
          result.append(character)
        }
      }
      return result
    }
    self.init(lines: lines)
  }

  package var file: String {
    lines.map { $0.replacing("\\", with: "\\\\").replacing("\n", with: "\\n") + "\n" }.joined()
  }
}
#endif
