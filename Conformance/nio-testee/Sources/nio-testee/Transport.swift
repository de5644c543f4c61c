// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What the library has no call for, since nobody should want it: a TCP connection that is reset under its hands.
enum Transport {
  /// Resets the connections of this process whose peer has this port.
  static func reset(peerPort: Int?) {
    guard let peerPort else { return }
    for descriptor in 3..<CInt(1024) where port(ofPeerOf: descriptor) == peerPort {
      // TCP resets a connection that is told to connect to nobody.
      var nobody = sockaddr(
        sa_family: sa_family_t(AF_UNSPEC),
        sa_data: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
      )
      connect(descriptor, &nobody, socklen_t(MemoryLayout<sockaddr>.size))
    }
  }

  private static func port(ofPeerOf descriptor: CInt) -> Int? {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutableBytes(of: &address) {
      getpeername(descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
    }
    guard status == 0, address.sin_family == sa_family_t(AF_INET) else { return nil }
    return Int(UInt16(bigEndian: address.sin_port))
  }
}
