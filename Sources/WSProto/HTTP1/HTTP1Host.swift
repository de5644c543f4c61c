// SPDX-License-Identifier: Apache-2.0

/// The host of a request, with or without a port: the value of `Host` (RFC 9110 §7.2) or `:authority`
/// (RFC 9113 §8.3.1). The same rules apply to what is sent and what is received.
enum HTTP1Host {
  /// Why a value is not a legal host.
  enum Fault: Error, Sendable, Hashable {
    case empty
    case notASCII
    case userInformation
    case notAlone
    case unbracketedAddress
    case addressLiteral
    case port
    case percentEncoding
    case character
  }

  /// Whether `value` is `uri-host [ ":" port ]` with a non-empty host, which WebSocket URIs require
  /// (RFC 6455 §3).
  ///
  /// Checks the characters of a `reg-name` or an IP literal (RFC 3986 §3.2.2) and the digits of a port. User
  /// information, a path, a list or whitespace is not accepted.
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

  /// - Throws: why `value` is not legal.
  static func check(_ value: Span<UInt8>) throws(Fault) {
    if !isLegal(value) { throw fault(of: value) }
  }

  /// What is wrong with an illegal value: the most informative cause.
  private static func fault(of value: Span<UInt8>) -> Fault {
    func contains(_ isOne: (UInt8) -> Bool) -> Bool {
      for index in value.indices where isOne(value[index]) { return true }
      return false
    }
    if value.count == 0 { return .empty }
    if contains({ $0 >= 0x80 }) { return .notASCII }
    if contains({ $0 == 0x40 }) { return .userInformation }
    // Slash, question mark, number sign, backslash, or the space that separates a list.
    if contains({ $0 == 0x2f || $0 == 0x3f || $0 == 0x23 || $0 == 0x5c || $0 == 0x20 }) { return .notAlone }
    if value[0] == 0x5b { return .addressLiteral }
    let colons = value.indices.filter { value[$0] == HTTP1Bytes.colon }
    if colons.count > 1, !contains({ !isHexDigit($0) && $0 != HTTP1Bytes.colon && $0 != 0x2e }) {
      return .unbracketedAddress
    }
    if value[0] == HTTP1Bytes.colon { return .empty }
    if contains({ !isRegName($0) && $0 != HTTP1Bytes.colon && $0 != 0x25 }) { return .character }
    if contains({ $0 == 0x25 }) { return .percentEncoding }
    return .port
  }

  /// `unreserved` and `sub-delims` (RFC 3986 §2.2, §2.3).
  static func isRegName(_ byte: UInt8) -> Bool {
    // 0x20...0x3f: ! $ & ' ( ) * + , - . 0-9 ; =    0x40...0x7f: A-Z _ a-z ~
    let set: UInt64 = byte & 0x40 == 0 ? 0x2bff_7fd2_0000_0000 : 0x47ff_fffe_87ff_fffe
    return byte < 0x80 && (set &>> UInt64(byte & 63)) & 1 == 1
  }

  /// The characters inside the brackets of an IP literal: an IPv6 address, or `"v" 1*HEXDIG "."` and any of
  /// these.
  private static func isLiteral(_ byte: UInt8) -> Bool { isRegName(byte) || byte == HTTP1Bytes.colon }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

  private static func isHexDigit(_ byte: UInt8) -> Bool { HexDigits.value(byte) != nil }
}

extension HTTP1Host.Fault: CustomStringConvertible {
  var description: String {
    switch self {
    case .empty: "there is no host in it (RFC 6455 §3)"
    case .notASCII: "it is not ASCII; convert it to IDNA A-labels (RFC 5890) first"
    case .userInformation: "user information does not belong before a host (RFC 9110 §4.2.4)"
    case .notAlone: "a host and a port stand alone (RFC 9110 §7.2)"
    case .unbracketedAddress: "an IPv6 address stands in brackets (RFC 3986 §3.2.2)"
    case .addressLiteral: "what follows the bracket is not an IP address and its bracket (RFC 3986 §3.2.2)"
    case .port: "the port is not a number (RFC 3986 §3.2.3)"
    case .percentEncoding: "a percent sign is not followed by two hexadecimal digits (RFC 3986 §2.1)"
    case .character: "it has a character that no host has (RFC 3986 §3.2.2)"
    }
  }
}
