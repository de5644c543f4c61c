// SPDX-License-Identifier: Apache-2.0

/// Base64 with the standard alphabet and padding (RFC 4648 §4).
package enum Base64 {
  /// The character for the low six bits of `value`.
  @inline(__always)
  static func character(_ value: UInt32) -> UInt8 {
    let six = UInt8(truncatingIfNeeded: value & 63)
    switch six {
    case 0..<26: return six &+ 0x41
    case 26..<52: return six &+ (0x61 &- 26)
    case 52..<62: return six &- (52 &- 0x30)
    case 62: return 0x2b
    default: return 0x2f
    }
  }

  /// The six bits that `character` encodes; `nil` if it isn't in the alphabet.
  @inline(__always)
  static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case 0x41...0x5a: character &- 0x41
    case 0x61...0x7a: character &- (0x61 &- 26)
    case 0x30...0x39: character &+ (52 &- 0x30)
    case 0x2b: 62
    case 0x2f: 63
    default: nil
    }
  }

  /// Encodes any number of bytes.
  package static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var out: [UInt8] = []
    var group: UInt32 = 0
    var held = 0
    for byte in bytes {
      group = group << 8 | UInt32(byte)
      held += 1
      if held == 3 {
        for shift: UInt32 in [18, 12, 6, 0] { out.append(character(group >> shift)) }
        group = 0
        held = 0
      }
    }
    if held == 1 {
      out.append(contentsOf: [character(group >> 2), character(group << 4), 0x3d, 0x3d])
    } else if held == 2 {
      out.append(contentsOf: [character(group >> 10), character(group >> 4), character(group << 2), 0x3d])
    }
    return out
  }
}
