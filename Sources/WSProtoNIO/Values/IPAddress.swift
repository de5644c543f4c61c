// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
import WSProto

/// An IPv4 or IPv6 address without a port or zone.
public enum IPAddress: Sendable, Hashable {
  /// The four octets, with the first one in the highest bits.
  case v4(UInt32)
  /// The sixteen octets, with the first one in the highest bits.
  case v6(UInt128)

  /// Parses an address: four decimal numbers without leading zeros, or a form of RFC 4291 §2.2 without brackets.
  ///
  /// Returns `nil` for anything else. Texts such as `127.1`, `0177.0.0.1` and `0x7f000001` are rejected, although some
  /// resolvers accept them as addresses: the address that is checked could differ from the one that is connected to.
  public init?(_ text: some StringProtocol) {
    // The longest form has 45 characters: six groups and an IPv4 address.
    guard text.utf8.count <= 45 else { return nil }
    let bytes = Array(text.utf8)
    if bytes.contains(UInt8(ascii: ":")) {
      guard let value = Self.v6(bytes[...]) else { return nil }
      self = .v6(value)
    } else {
      guard let value = Self.v4(bytes[...]) else { return nil }
      self = .v4(value)
    }
  }

  /// The IP address of a socket address; `nil` for a Unix domain socket.
  public init?(_ address: SocketAddress) {
    guard let text = address.ipAddress else { return nil }
    self.init(text)
  }

  /// The IPv4 address if this is an IPv4-mapped IPv6 address such as `::ffff:192.0.2.1`, which dual-stack sockets
  /// report (RFC 4291 §2.5.5.2). Otherwise the address itself.
  public var unmapped: IPAddress {
    guard case .v6(let value) = self, value >> 32 == 0xffff else { return self }
    return .v4(UInt32(truncatingIfNeeded: value))
  }

  // MARK: Parsing

  private static func v4(_ text: ArraySlice<UInt8>) -> UInt32? {
    var value: UInt32 = 0
    var count = 0
    for part in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard count < 4, let octet = octet(part) else { return nil }
      value = value << 8 | UInt32(octet)
      count += 1
    }
    return count == 4 ? value : nil
  }

  private static func octet(_ text: ArraySlice<UInt8>) -> UInt8? {
    guard 1...3 ~= text.count, text.count == 1 || text.first != UInt8(ascii: "0") else { return nil }
    var value = 0
    for byte in text {
      guard UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte else { return nil }
      value = value * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return UInt8(exactly: value)
  }

  private static func v6(_ text: ArraySlice<UInt8>) -> UInt128? {
    let colon = UInt8(ascii: ":")
    var groups: [UInt16]
    if let gap = zip(text.indices, text.indices.dropFirst()).first(where: {
      text[$0] == colon && text[$1] == colon
    }) {
      guard let head = Self.groups(text[..<gap.0], endsAddress: false),
        let tail = Self.groups(text[(gap.1 + 1)...], endsAddress: true),
        head.count + tail.count < 8
      else { return nil }
      groups = head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail
    } else {
      guard let all = Self.groups(text, endsAddress: true), all.count == 8 else { return nil }
      groups = all
    }
    return groups.reduce(0) { $0 << 16 | UInt128($1) }
  }

  /// Parses groups of up to four hexadecimal digits, of which the last two may be an IPv4 address. An empty text has
  /// none.
  private static func groups(_ text: ArraySlice<UInt8>, endsAddress: Bool) -> [UInt16]? {
    if text.isEmpty { return [] }
    let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard parts.count <= 8 else { return nil }
    var groups: [UInt16] = []
    for (index, part) in parts.enumerated() {
      if endsAddress, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
        guard let address = v4(part) else { return nil }
        groups += [UInt16(truncatingIfNeeded: address >> 16), UInt16(truncatingIfNeeded: address)]
      } else {
        guard 1...4 ~= part.count, let group = hexadecimal(part) else { return nil }
        groups.append(group)
      }
    }
    return groups
  }

  private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
    var value: UInt16 = 0
    for byte in text {
      guard let digit = HexDigits.value(byte) else { return nil }
      value = value << 4 | UInt16(digit)
    }
    return value
  }
}

extension IPAddress: CustomStringConvertible {
  /// The address in the form of RFC 5952: lower case, and the longest run of zeros as `::`.
  public var description: String {
    switch self {
    case .v4(let value):
      return stride(from: 24, through: 0, by: -8).map { String(value >> UInt32($0) & 0xff) }
        .joined(separator: ".")
    case .v6(let value):
      if case .v4 = unmapped { return "::ffff:\(unmapped)" }
      let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> UInt128(112 - 16 * $0)) }
      func text(_ part: ArraySlice<UInt16>) -> String {
        part.map { String($0, radix: 16) }.joined(separator: ":")
      }
      guard let gap = Self.longestGap(groups) else { return text(groups[...]) }
      return text(groups[..<gap.lowerBound]) + "::" + text(groups[gap.upperBound...])
    }
  }

  /// The longest run of two or more zero groups; the first one of equally long runs (RFC 5952 §4.2).
  private static func longestGap(_ groups: [UInt16]) -> Range<Int>? {
    var longest = 0..<0
    var start = 0
    for (index, group) in groups.enumerated() {
      if group != 0 { start = index + 1 }
      if index + 1 - start > longest.count { longest = start..<(index + 1) }
    }
    return longest.count >= 2 ? longest : nil
  }
}
#endif
