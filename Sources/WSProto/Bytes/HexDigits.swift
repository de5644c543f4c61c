// SPDX-License-Identifier: Apache-2.0

/// Hexadecimal digits (RFC 5234 §B.1): of percent-encoding, of IPv6 addresses, of dumps.
package enum HexDigits {
  /// What a digit counts; `nil` if it is none.
  package static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
