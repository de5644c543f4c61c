// SPDX-License-Identifier: Apache-2.0

/// What was expected and seen, side by side or one below the other.
struct Difference {
  var message: String
  var details: [String]

  /// The most lines that are shown of each.
  private static let maxLines = 40
  /// The width of the left column.
  private static let column = 40

  /// Both on a line.
  init(_ message: String, expected: String, seen: String) {
    self.message = message
    details = ["expected  \(expected)", "seen      \(seen)"]
  }

  /// Both in lines: in two columns, with a mark between lines that differ.
  init(_ message: String, expected: [String], seen: [String]) {
    self.message = message
    details = ["\(Self.padded("expected")) | seen"]
    let rows = Self.rows(expected, seen)
    for row in rows.prefix(Self.maxLines) {
      let left = Self.cut(row.left ?? "")
      let mark = row.left == row.right ? "|" : row.left == nil ? ">" : row.right == nil ? "<" : "!"
      var line = "\(Self.padded(left)) \(mark) \(Self.cut(row.right ?? ""))"
      while line.last == " " { line.removeLast() }
      details.append(line)
    }
    if rows.count > Self.maxLines { details.append("… \(rows.count - Self.maxLines) more lines") }
  }

  /// Lines beside each other; those that only one side has stand alone.
  private static func rows(_ left: [String], _ right: [String]) -> [(left: String?, right: String?)] {
    // Beyond this the lines are compared by their numbers: the search takes the product of both counts.
    guard left.count <= 400, right.count <= 400 else {
      return (0..<max(left.count, right.count)).map { index in
        (index < left.count ? left[index] : nil, index < right.count ? right[index] : nil)
      }
    }
    // The longest common part of the rest of both, from each place.
    var common = [[Int]](repeating: [Int](repeating: 0, count: right.count + 1), count: left.count + 1)
    for one in stride(from: left.count - 1, through: 0, by: -1) {
      for other in stride(from: right.count - 1, through: 0, by: -1) {
        common[one][other] =
          left[one] == right[other]
          ? common[one + 1][other + 1] + 1 : max(common[one + 1][other], common[one][other + 1])
      }
    }
    var rows: [(left: String?, right: String?)] = []
    var (alone, other) = (Array<String>(), Array<String>())
    func flush() {
      for index in 0..<max(alone.count, other.count) {
        rows.append((index < alone.count ? alone[index] : nil, index < other.count ? other[index] : nil))
      }
      alone = []
      other = []
    }
    var (position, opposite) = (0, 0)
    while position < left.count || opposite < right.count {
      if position < left.count, opposite < right.count, left[position] == right[opposite] {
        flush()
        rows.append((left[position], right[opposite]))
        position += 1
        opposite += 1
      } else if opposite == right.count
        || position < left.count && common[position + 1][opposite] >= common[position][opposite + 1]
      {
        alone.append(left[position])
        position += 1
      } else {
        other.append(right[opposite])
        opposite += 1
      }
    }
    flush()
    return rows
  }

  private static func cut(_ text: String) -> String {
    text.count > column ? text.prefix(column - 1) + "…" : text
  }

  private static func padded(_ text: String) -> String {
    text + String(repeating: " ", count: max(0, column - text.count))
  }
}
