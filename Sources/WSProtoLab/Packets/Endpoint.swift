// SPDX-License-Identifier: Apache-2.0

/// An address and a port.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
  private let high: UInt64
  private let low: UInt64
  private let isIPv6: Bool
  /// The TCP port.
  public let port: UInt16

  /// The address in `bytes`: 4 of them for IPv4, 16 for IPv6.
  package init?(address bytes: ArraySlice<UInt8>, port: UInt16) {
    self.port = port
    if bytes.count == 4, let number = bytes.number32(0) {
      isIPv6 = false
      high = 0
      low = UInt64(number)
    } else if bytes.count == 16, let high = bytes.number64(0), let low = bytes.number64(8) {
      isIPv6 = true
      self.high = high
      self.low = low
    } else {
      return nil
    }
  }

  private init(ipv4 number: UInt32, port: UInt16) {
    isIPv6 = false
    high = 0
    low = UInt64(number)
    self.port = port
  }

  /// 0.0.0.0:0, for an end without an IP address, such as a Unix socket.
  package static let unknown = Endpoint(ipv4: 0, port: 0)

  /// The number of an IPv4 address; `nil` for IPv6.
  var ipv4: UInt32? { isIPv6 ? nil : UInt32(truncatingIfNeeded: low) }

  /// Any order, the same each time.
  func precedes(_ other: Endpoint) -> Bool {
    (high, low, port) < (other.high, other.low, other.port)
  }

  /// The address alone; IPv6 as RFC 5952 writes it.
  public var address: String {
    guard isIPv6 else {
      return [24, 16, 8, 0].map { String(low >> UInt64($0) & 0xFF) }.joined(separator: ".")
    }
    let groups = [high, low].flatMap { half in [48, 32, 16, 0].map { half >> UInt64($0) & 0xFFFF } }
    // The first longest run of at least two zero groups becomes "::".
    var longest = 0..<0
    var start = 0
    for index in 0...groups.count where index == groups.count || groups[index] != 0 {
      if index - start > max(1, longest.count) { longest = start..<index }
      start = index + 1
    }
    func text(_ part: ArraySlice<UInt64>) -> String {
      part.map { String($0, radix: 16) }.joined(separator: ":")
    }
    if longest.isEmpty { return text(groups[...]) }
    return text(groups[..<longest.lowerBound]) + "::" + text(groups[longest.upperBound...])
  }

  /// The address and the port, as in a URL.
  public var description: String { isIPv6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
}
