// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Why a socket could not be opened, or has failed, in the system's words, without the names of NIO's functions and types.
package func systemText(_ error: any Error) -> String {
  switch error {
  case let error as IOError: String(cString: strerror(error.errnoCode))
  case let error as SocketAddressError.UnknownHost: error.errorDescription
  case is UnixDomainSocketPathWrongType: "there is a file of this name, which is not a socket"
  case SocketAddressError.unixDomainSocketPathTooLong: "the path is too long for a socket"
  default: "\(error)"
  }
}
#endif
