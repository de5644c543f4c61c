// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The limit on a process's open files, of which each connection is one.
enum Descriptors {
  /// Raises the limit as far as the system lets a process do, and tells how many connections it leaves room for.
  static func available() -> Int {
    var limit = rlimit()
    #if canImport(Glibc)
    let resource = __rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue))
    #else
    let resource = RLIMIT_NOFILE
    #endif
    guard getrlimit(resource, &limit) == 0 else { return 1000 }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      if setrlimit(resource, &raised) == 0 { limit = raised }
    }
    // The standard streams, the listener, and a few for each event loop.
    let own = 12 + 4 * max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    return max(1, Int(clamping: limit.rlim_cur) - own)
  }
}
#endif
