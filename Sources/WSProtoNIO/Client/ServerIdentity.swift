// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL

/// Whether a certificate is that of the server which was asked for (RFC 9525 §6).
///
/// In place of NIOSSL's own check, which accepts a certificate for the transport's address, too, whatever name was asked
/// for. Certificates for addresses are easy to get: a proxy that has one, or a host that a forged answer of the DNS leads
/// to, would pass for any server.
enum ServerIdentity {
  /// Whether one of the alternative names in `certificate` is `host`. The subject's common name is none of them.
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

  /// Whether a name of a certificate's is `name`, or has it among its wildcard's: an asterisk that is the first label,
  /// which stands for one label (RFC 9525 §6.3). At least two labels must follow it: no wildcard is good for all of a
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

  /// Compares ASCII, letters in any case.
  private static func equals(_ left: ArraySlice<UInt8>, _ right: ArraySlice<UInt8>) -> Bool {
    left.elementsEqual(right) { $0 == $1 || (URLBytes.isLetter($0) && $0 ^ $1 == 0x20) }
  }
}

extension IPAddress {
  /// Four or sixteen octets, in the order of the network.
  fileprivate var octets: [UInt8] {
    switch self {
    case .v4(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    case .v6(let value): withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
  }
}
#endif
