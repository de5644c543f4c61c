// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProtoLab

/// The line at the prompt: what is typed, where the cursor is, and the lines before it.
///
/// Enter within JSON whose brackets are open begins a further line of the same message; Alt-Enter always does.
package struct LineEditor {
  /// What a key asks for, besides showing the line anew.
  package enum Action: Equatable {
    case submit(String)
    /// Ctrl-C.
    case interrupt
    /// Ctrl-D on an empty line.
    case end
    /// Ctrl-L.
    case clearScreen
  }

  package private(set) var characters: [Character] = []
  /// An index into `characters`, or their count.
  package private(set) var cursor = 0
  package var history: History
  /// Cut by Ctrl-U, Ctrl-K, Ctrl-W.
  private var cut: [Character] = []

  package init(history: History = History()) { self.history = history }

  package var text: String { String(characters) }

  /// Takes a key.
  package mutating func take(_ key: Key) -> Action? {
    switch key {
    case .character(let character): insert([character])
    case .pasted(let text): insert(Array(text))
    case .tab: insert(["\t"])
    case .enter: return submit()
    case .backspace: if cursor > 0 { remove(cursor - 1..<cursor) }
    case .delete: if cursor < characters.count { remove(cursor..<cursor + 1) }
    case .left: cursor = max(0, cursor - 1)
    case .right: cursor = min(characters.count, cursor + 1)
    case .home: cursor = 0
    case .end: cursor = characters.count
    case .wordLeft: cursor = wordStart
    case .wordRight: cursor = wordEnd
    case .up: if let line = history.older(than: text) { replace(line) }
    case .down: if let line = history.newer() { replace(line) }
    case .control("c"): return .interrupt
    case .control("d"):
      if characters.isEmpty { return .end }
      if cursor < characters.count { remove(cursor..<cursor + 1) }
    case .control("l"): return .clearScreen
    case .control("u"): cutOut(0..<cursor)
    case .control("k"): cutOut(cursor..<characters.count)
    case .control("w"): cutOut(wordStart..<cursor)
    case .control("y"): insert(cut)
    case .control: break
    }
    return nil
  }

  private mutating func submit() -> Action? {
    if OpenJSON.isOpen(text) {
      cursor = characters.count
      insert(["\n"])
      return nil
    }
    let line = text
    history.add(line)
    characters = []
    cursor = 0
    return .submit(line)
  }

  /// Parts of one character may come one after the other: a letter, then its accent.
  private mutating func insert(_ new: [Character]) {
    let before = String(characters[..<cursor]) + String(new)
    let behind = characters[cursor...]
    characters = Array(before)
    cursor = characters.count
    characters += behind
  }

  private mutating func remove(_ range: Range<Int>) {
    characters.removeSubrange(range)
    cursor = range.lowerBound
  }

  private mutating func cutOut(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    cut = Array(characters[range])
    remove(range)
  }

  /// Replaces what is being typed by a line to edit. The cursor is at its end.
  package mutating func begin(_ line: String) { replace(line) }

  private mutating func replace(_ line: String) {
    characters = Array(line)
    cursor = characters.count
  }

  private var wordStart: Int {
    var index = cursor
    while index > 0, characters[index - 1].isWhitespace { index -= 1 }
    while index > 0, !characters[index - 1].isWhitespace { index -= 1 }
    return index
  }

  private var wordEnd: Int {
    var index = cursor
    while index < characters.count, characters[index].isWhitespace { index += 1 }
    while index < characters.count, !characters[index].isWhitespace { index += 1 }
    return index
  }

  // MARK: Showing

  /// The part of the line around the cursor that fits into `columns`, on one row, and the cursor's column in it. Line ends
  /// are shown as `↵`.
  package func visible(columns: Int) -> (text: String, cursorColumn: Int) {
    let shownParts = characters.map { character in
      character == "\n" ? "↵" : character == "\t" ? " " : shown(String(character))
    }
    let widths = shownParts.map(\.columns)
    let room = max(1, columns - 1)
    // From the cursor to the left as far as it fits, then to the right.
    var first = cursor
    var used = 0
    while first > 0, used + widths[first - 1] <= room { first -= 1; used += widths[first] }
    let cursorColumn = used
    var end = cursor
    while end < shownParts.count, used + widths[end] <= room { used += widths[end]; end += 1 }
    return (shownParts[first..<end].joined(), cursorColumn)
  }
}

/// Whether a text is JSON that is not complete.
package enum OpenJSON {
  /// Whether the text begins with a brace or a bracket, and has more of them opened than closed.
  package static func isOpen(_ text: String) -> Bool {
    guard let first = text.first(where: { !$0.isWhitespace }), first == "{" || first == "[" else {
      return false
    }
    var depth = 0
    var isInString = false
    var isEscaped = false
    for byte in text.utf8 {
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isInString = true
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
    }
    return depth > 0
  }
}
#endif
