// SPDX-License-Identifier: Apache-2.0

#if Tool
extension Character {
  /// How many columns a terminal gives the character: 0 for what only changes others, 2 for East Asian wide characters
  /// (Unicode UAX #11) and emoji, else 1.
  package var columns: Int {
    let scalars = unicodeScalars
    guard let first = scalars.first else { return 0 }
    if scalars.count > 1 {
      // An emoji of several parts, or one that is asked for as an emoji.
      if scalars.contains(where: { $0.value == 0xFE0F || $0.value == 0x200D }) { return 2 }
      // A flag.
      if 0x1F1E6...0x1F1FF ~= first.value { return 2 }
    }
    return first.columns
  }
}

extension Unicode.Scalar {
  fileprivate var columns: Int {
    if value < 0x300 { return value < 0x20 || 0x7F...0x9F ~= value ? 0 : 1 }
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: break
    }
    // Vowels and finals of Hangul, which join the consonant before.
    if 0x1160...0x11FF ~= value { return 0 }
    if properties.isEmojiPresentation { return 2 }
    return Self.wide.contains { $0 ~= value } ? 2 : 1
  }

  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
    0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6,
    0x17000...0x18CFF, 0x1B000...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x3FFFD,
  ]
}

extension StringProtocol {
  /// How many columns the text takes on one line.
  package var columns: Int { reduce(0) { $0 + $1.columns } }
}
#endif
