// SPDX-License-Identifier: Apache-2.0

/// The syntax of the `Host` field (RFC 9110 §7.2).
enum HTTP1Host {
  /// Whether `value` is `uri-host [ ":" port ]` with a host in it, as the URIs of WebSocket need one (RFC 6455 §3).
  ///
  /// A `reg-name` and IP literals by their characters (RFC 3986 §3.2.2), a port by its digits: no user information,
  /// path, list or whitespace passes for a host.
  static func isLegal(_ value: Span<UInt8>) -> Bool {
    var index = 0
    if value.count > 0, value[0] == 0x5b {
      index = 1
      while index < value.count, isLiteral(value[index]) { index &+= 1 }
      guard index > 1, index < value.count, value[index] == 0x5d else { return false }
      index &+= 1
    } else {
      while index < value.count {
        let byte = value[index]
        if byte == 0x25 {
          // index + 2 is checked before it is used.
          guard value.count &- index > 2, isHexDigit(value[index &+ 1]), isHexDigit(value[index &+ 2]) else {
            return false
          }
          index &+= 3
        } else if isRegName(byte) {
          index &+= 1
        } else {
          break
        }
      }
      guard index > 0 else { return false }
    }
    if index == value.count { return true }
    guard value[index] == HTTP1Bytes.colon else { return false }
    index &+= 1
    while index < value.count, isDigit(value[index]) { index &+= 1 }
    return index == value.count
  }

  /// `unreserved` and `sub-delims` (RFC 3986 §2.2, §2.3).
  private static func isRegName(_ byte: UInt8) -> Bool {
    // 0x20...0x3f: ! $ & ' ( ) * + , - . 0-9 ; =    0x40...0x7f: A-Z _ a-z ~
    let set: UInt64 = byte & 0x40 == 0 ? 0x2bff_7fd2_0000_0000 : 0x47ff_fffe_87ff_fffe
    return byte < 0x80 && (set &>> UInt64(byte & 63)) & 1 == 1
  }

  /// What stands in the brackets of an IP literal: an IPv6 address, or `"v" 1*HEXDIG "."` and any of these.
  private static func isLiteral(_ byte: UInt8) -> Bool { isRegName(byte) || byte == HTTP1Bytes.colon }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  private static func isHexDigit(_ byte: UInt8) -> Bool { isDigit(byte) || (byte | 0x20) &- 0x61 < 6 }
}
