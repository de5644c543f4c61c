// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A block of IP addresses in the notation of RFC 4632 and RFC 4291 §2.3: `10.0.0.0/8`, `2001:db8::/32`, or a single
/// address.
public struct IPNetwork: Sendable, Hashable {
  /// The first address; the bits behind the prefix are zero.
  public let base: IPAddress
  /// How many leading bits the addresses have in common: 0…32, or 0…128.
  public let prefixLength: Int

  /// The block in `text`. A block of IPv4 addresses in IPv6's form, `::ffff:10.0.0.0/104`, is that of IPv4.
  ///
  /// - Throws: ``IPNetworkError``, also where bits behind the prefix are set: `10.1.2.3/8` may mean more, or less, than
  ///   its author thinks.
  public init(_ text: String) throws(IPNetworkError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let address = IPAddress(first) else { throw .address(text) }
    let bits = address.bitWidth
    var length = bits
    if parts.count > 1 {
      let digits = parts[1]
      // `Int` takes a sign, too.
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

  /// The block of `prefixLength` bits that `address` is in.
  ///
  /// - Parameters:
  ///   - address: any of its addresses.
  ///   - prefixLength: lengths beyond those of the address are taken for the nearest.
  public init(containing address: IPAddress, prefixLength: Int) {
    let length = min(max(0, prefixLength), address.bitWidth)
    // An IPv4 address in IPv6's form, of which the prefix leaves no bit of the form open.
    if case .v6 = address, case .v4 = address.unmapped, length >= 96 {
      self.prefixLength = length - 96
      base = address.unmapped.masked(length - 96)
    } else {
      self.prefixLength = length
      base = address.masked(length)
    }
  }

  /// Whether `address` is one of the block's. An IPv4 address in IPv6's form is compared as what it stands for.
  public func contains(_ address: IPAddress) -> Bool {
    let address = address.unmapped
    return address.bitWidth == base.bitWidth && address.masked(prefixLength) == base
  }

  /// The addresses of this machine (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
  public static let loopback = [
    IPNetwork(containing: .v4(0x7f00_0000), prefixLength: 8),
    IPNetwork(containing: .v6(1), prefixLength: 128),
  ]

  /// The addresses that are for networks not connected to the Internet (RFC 1918 §3, RFC 4193 §3).
  public static let privateUse = [
    IPNetwork(containing: .v4(0x0a00_0000), prefixLength: 8),
    IPNetwork(containing: .v4(0xac10_0000), prefixLength: 12),
    IPNetwork(containing: .v4(0xc0a8_0000), prefixLength: 16),
    IPNetwork(containing: .v6(0xfc00 << 112), prefixLength: 7),
  ]
}

extension IPNetwork: CustomStringConvertible {
  /// The first address, a slash, the length of the prefix.
  public var description: String { "\(base)/\(prefixLength)" }
}

extension IPAddress {
  fileprivate var bitWidth: Int {
    switch self {
    case .v4: 32
    case .v6: 128
    }
  }

  /// The address with zeros behind the first `length` bits, 0…``bitWidth``.
  fileprivate func masked(_ length: Int) -> IPAddress {
    switch self {
    case .v4(let value): .v4(value & UInt32.max << (32 - length))
    case .v6(let value): .v6(value & UInt128.max << (128 - length))
    }
  }
}

/// Why a text is no block of addresses.
public enum IPNetworkError: Error, Sendable, Hashable {
  /// What stands before the slash is no IP address.
  case address(String)
  /// What stands behind the slash is no number from 0 to `atMost`.
  case prefixLength(String, atMost: Int)
  /// The address is not the first one of its block.
  case bitsBehindPrefix(String, meant: IPNetwork)
}

extension IPNetworkError: CustomStringConvertible {
  /// What is wrong, with the text, cut and escaped.
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
