// SPDX-License-Identifier: Apache-2.0

#if Tool
/// A key, or a text that was pasted.
package enum Key: Equatable, Sendable {
  case character(Character)
  case enter, tab, backspace, delete
  case left, right, up, down, home, end, wordLeft, wordRight
  /// Ctrl and a letter, in lower case, where it has no key of its own above.
  case control(Character)
  case pasted(String)
}

/// Makes keys of the bytes that a terminal in raw mode sends.
package struct KeyDecoder {
  private var rest: [UInt8] = []
  /// What comes in a bracketed paste, until its end.
  private var paste: [UInt8]?

  private static let pasteBegin = Array("\u{1b}[200~".utf8)
  private static let pasteEnd = Array("\u{1b}[201~".utf8)

  package init() {}

  /// The keys that are complete with these bytes. What is not known is dropped.
  package mutating func decode(_ bytes: some Sequence<UInt8>) -> [Key] {
    rest += bytes
    var keys: [Key] = []
    while !rest.isEmpty {
      if paste != nil {
        guard takePaste(&keys) else { break }
      } else {
        guard let length = takeKey(&keys) else { break }
        rest.removeFirst(length)
      }
    }
    return keys
  }

  /// Whether an escape stands alone: the key, if nothing follows at once.
  package var hasLoneEscape: Bool { rest == [0x1B] }

  private mutating func takePaste(_ keys: inout [Key]) -> Bool {
    guard let end = rest.firstRange(of: Self.pasteEnd) else {
      // The end may be cut at the end of a read.
      let kept = Swift.min(rest.count, Self.pasteEnd.count - 1)
      paste? += rest.dropLast(kept)
      rest = Array(rest.suffix(kept))
      return false
    }
    let text = String(decoding: (paste ?? []) + rest[..<end.lowerBound], as: UTF8.self)
    paste = nil
    rest = Array(rest[end.upperBound...])
    keys.append(.pasted(text.replacing("\r\n", with: "\n").replacing("\r", with: "\n")))
    return true
  }

  /// Appends the key at the front; how many bytes it has, `nil` if they are not complete.
  private mutating func takeKey(_ keys: inout [Key]) -> Int? {
    switch rest[0] {
    case 0x1B: return takeEscape(&keys)
    case 0x0D, 0x0A: keys.append(.enter)
    case 0x09: keys.append(.tab)
    case 0x7F, 0x08: keys.append(.backspace)
    case 0x01: keys.append(.home)
    case 0x05: keys.append(.end)
    case 0x02: keys.append(.left)
    case 0x06: keys.append(.right)
    case 0x10: keys.append(.up)
    case 0x0E: keys.append(.down)
    case 0x00..<0x20:
      keys.append(.control(Character(Unicode.Scalar(rest[0] + 0x60))))
    case 0x20..<0x80: keys.append(.character(Character(Unicode.Scalar(rest[0]))))
    default: return takeUTF8(&keys)
    }
    return 1
  }

  private func takeUTF8(_ keys: inout [Key]) -> Int? {
    let length = rest[0] >= 0xF0 ? 4 : rest[0] >= 0xE0 ? 3 : rest[0] >= 0xC0 ? 2 : 1
    guard rest.count >= length else { return nil }
    guard let text = String(validating: rest[..<length], as: UTF8.self), let character = text.first else {
      return 1
    }
    keys.append(.character(character))
    return length
  }

  /// Escape sequences: `ESC [ parameters final`, `ESC O final`, `ESC character`.
  private mutating func takeEscape(_ keys: inout [Key]) -> Int? {
    guard rest.count > 1 else { return nil }
    switch rest[1] {
    case UInt8(ascii: "["), UInt8(ascii: "O"):
      guard let final = rest[2...].firstIndex(where: { 0x40...0x7E ~= $0 }) else {
        // Longer than any that is meant.
        return rest.count > 32 ? rest.count : nil
      }
      let sequence = rest[...final]
      if Array(sequence) == Self.pasteBegin {
        paste = []
      } else if let key = Self.key(String(decoding: sequence.dropFirst(2), as: UTF8.self)) {
        keys.append(key)
      }
      return sequence.count
    case UInt8(ascii: "b"): keys.append(.wordLeft)
    case UInt8(ascii: "f"): keys.append(.wordRight)
    case 0x0D, 0x0A: keys.append(.pasted("\n"))
    default: break
    }
    return 2
  }

  private static func key(_ sequence: String) -> Key? {
    switch sequence {
    case "A": .up
    case "B": .down
    case "C": .right
    case "D": .left
    case "H", "1~", "7~": .home
    case "F", "4~", "8~": .end
    case "3~": .delete
    case "1;5C", "1;3C": .wordRight
    case "1;5D", "1;3D": .wordLeft
    default: nil
    }
  }
}
#endif
