// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A block of IP addresses in the notation of RFC 4632 and RFC 4291 §2.3, such as `10.0.0.0/8` and `2001:db8::/32`, or
/// a single address.
public struct IPNetwork: Sendable, Hashable {
  /// The first address of the block. The bits after the prefix are zero.
  public let base: IPAddress
  /// The number of leading bits that the addresses have in common: 0…32, or 0…128.
  public let prefixLength: Int

  /// Parses a block. A block of IPv4-mapped addresses such as `::ffff:10.0.0.0/104` becomes an IPv4 block.
  ///
  /// - Throws: ``IPNetworkError``, also if bits after the prefix are set: `10.1.2.3/8` may mean more or less than its
  ///   author thinks.
  public init(_ text: String) throws(IPNetworkError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(first) else { throw .address(text) }
    let bits = address.bitWidth
    var length = bits
    if parts.count > 1 {
      let digits = parts[1]
      // `Int` also accepts a sign.
      guard 1...3 ~= digits.utf8.count, digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }),
        let number = Int(digits), number <= bits
      else { throw .prefixLength(text, atMost: bits) }
      length = number
    }
    let network = IPNetwork(containing: address, prefixLength: length)
    let unmapped = address.unmapped
    guard network.base == (length >= 96 ? unmapped : address) else {
      throw .bitsBehindPrefix(text, meant: network)
    }
    self = network
  }

  /// Creates the block of the given prefix length that contains `address`.
  ///
  /// - Parameters:
  ///   - address: any address of the block.
  ///   - prefixLength: the length of the prefix in bits, clamped to the address's length.
  public init(containing address: IPAddress, prefixLength: Int) {
    let length = min(max(0, prefixLength), address.bitWidth)
    // An IPv4-mapped address whose prefix covers the whole mapping.
    if case .v6 = address, case .v4 = address.unmapped, length >= 96 {
      self.prefixLength = length - 96
      base = address.unmapped.masked(length - 96)
    } else {
      self.prefixLength = length
      base = address.masked(length)
    }
  }

  /// Whether `address` belongs to the block. An IPv4-mapped address is compared as an IPv4 address.
  public func contains(_ address: IPAddress) -> Bool {
    let address = address.unmapped
    return address.bitWidth == base.bitWidth && address.masked(prefixLength) == base
  }

  /// The loopback addresses (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
  public static let loopback = [
    IPNetwork(containing: .v4(0x7f00_0000), prefixLength: 8),
    IPNetwork(containing: .v6(1), prefixLength: 128),
  ]

  /// The addresses for private networks (RFC 1918 §3, RFC 4193 §3).
  public static let privateUse = [
    IPNetwork(containing: .v4(0x0a00_0000), prefixLength: 8),
    IPNetwork(containing: .v4(0xac10_0000), prefixLength: 12),
    IPNetwork(containing: .v4(0xc0a8_0000), prefixLength: 16),
    IPNetwork(containing: .v6(0xfc00 << 112), prefixLength: 7),
  ]
}

extension IPNetwork: CustomStringConvertible {
  /// The first address, a slash, and the length of the prefix.
  public var description: String { "\(base)/\(prefixLength)" }
}

extension IPAddress {
  fileprivate var bitWidth: Int {
    switch self {
    case .v4: 32
    case .v6: 128
    }
  }

  /// The address with all bits after the first `length` set to zero.
  fileprivate func masked(_ length: Int) -> IPAddress {
    switch self {
    case .v4(let value): .v4(value & UInt32.max << (32 - length))
    case .v6(let value): .v6(value & UInt128.max << (128 - length))
    }
  }
}

/// Why a text isn't a block of addresses.
public enum IPNetworkError: Error, Sendable, Hashable {
  /// The part before the slash isn't an IP address.
  case address(String)
  /// The part after the slash isn't a number from 0 to `atMost`.
  case prefixLength(String, atMost: Int)
  /// The address isn't the first one of its block; `meant` is the block that contains it.
  case bitsBehindPrefix(String, meant: IPNetwork)
}

extension IPNetworkError: CustomStringConvertible {
  /// The cause, with the text truncated and escaped.
  public var description: String {
    switch self {
    case .address(let text): "\(quoted(text)) does not begin with an IP address"
    case .prefixLength(let text, let bits): "the prefix length in \(quoted(text)) is not in 0...\(bits)"
    case .bitsBehindPrefix(let text, let network):
      "\(quoted(text)) is not the first address of its block: \(network)"
    }
  }
}
#endif
