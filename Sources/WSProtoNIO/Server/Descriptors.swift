// SPDX-License-Identifier: Apache-2.0

#if NIO
#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// The descriptors of this process.
enum Descriptors {
  /// Whether the next descriptor would be one of ``AcceptGate/reserve(of:)``. The system hands out the lowest free one.
  static var areFew: Bool {
    let next = dup(2)
    // A process without a standard error stream can only rely on `errno`.
    guard next >= 0 else { return errno == EMFILE }
    close(next)
    var limit = rlimit()
    #if canImport(Glibc)
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return false }
    #else
    guard getrlimit(RLIMIT_NOFILE, &limit) == 0 else { return false }
    #endif
    let most = Int(clamping: limit.rlim_cur)
    return Int(next) >= most - AcceptGate.reserve(of: most)
  }

  /// Duplicates a descriptor, closed on exec; `nil` if there are no more.
  static func duplicate(_ descriptor: CInt) -> CInt? {
    let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    return copy >= 0 ? copy : nil
  }

  /// Closes a descriptor that ``duplicate(_:)`` has made.
  static func closeDuplicate(_ descriptor: CInt) { close(descriptor) }
}
#endif
