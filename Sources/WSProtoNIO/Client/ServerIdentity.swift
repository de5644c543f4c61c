// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL

/// Checks whether a certificate belongs to the server that was requested (RFC 9525 §6).
///
/// It replaces NIOSSL's own check, which also accepts a certificate for the transport's IP address, whatever name was
/// requested. Certificates for addresses are easy to get: a proxy with such a certificate, or a host that a forged DNS
/// answer leads to, could pass for any server.
enum ServerIdentity {
  /// Whether one of the subject alternative names of `certificate` is `host`. The common name isn't considered.
  static func isProven(by certificate: NIOSSLCertificate, _ host: URLHost) -> Bool {
    let name = Array(host.name.utf8)
    return certificate._subjectAlternativeNames().contains { alternative in
      let presented = Array(alternative.contents)
      return switch (alternative.nameType, host.address) {
      case (.dnsName, nil): matches(presented[...], name[...])
      case (.ipAddress, let address?): presented == address.octets
      default: false
      }
    }
  }

  /// Whether a name in a certificate matches `name`. A wildcard is an asterisk as the whole first label; it matches
  /// exactly one label (RFC 9525 §6.3). At least two labels must follow it, so that no wildcard covers a whole
  /// top-level domain.
  static func matches(_ presented: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    guard !presented.isEmpty else { return false }
    let dot = UInt8(ascii: ".")
    guard presented.first == UInt8(ascii: "*") else { return equals(presented, name) }
    let suffix = presented.dropFirst()
    guard suffix.first == dot, suffix.dropFirst().contains(dot), let end = name.firstIndex(of: dot) else {
      return false
    }
    return end > name.startIndex && equals(suffix, name[end...])
  }

  /// Compares ASCII strings, ignoring case.
  private static func equals(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Bool {
    left.elementsEqual(right) { $0 == $1 || (URLBytes.isLetter($0) && $0 ^ $1 == 0x20) }
  }
}

extension IPAddress {
  /// Four or sixteen octets in network byte order.
  fileprivate var octets: [UInt8] {
    switch self {
    case .v4(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    case .v6(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
  }
}
#endif
