// SPDX-License-Identifier: Apache-2.0

#if Tool
import Synchronization
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// SIGINT and SIGTERM, told by a thread of their own.
///
/// The signal's handler may do next to nothing: it writes the number into a pipe, which the thread reads.
enum Signals {
  private static let writing = Atomic<Int32>(-1)
  private static let reading = Atomic<Int32>(-1)

  /// Keeps the signals from ending the process: they are told to ``handle(_:)``, also if they come before it is called.
  static func hold() throws(ToolFailure) {
    // A reader of our output that has gone ends a write with an error, not us with a signal.
    signal(SIGPIPE, SIG_IGN)
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else {
      throw ToolFailure(.failure, "a pipe cannot be made: \(String(cString: strerror(errno)))")
    }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    reading.store(ends[0], ordering: .relaxed)
    writing.store(ends[1], ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { number in
        let before = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(Signals.writing.load(ordering: .relaxed), &byte, 1)
        errno = before
      }
    }
  }

  /// Lets them end the process again.
  static func release() {
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }

  /// Calls `body` with each of the signals, on another thread.
  static func handle(_ body: @escaping @Sendable (Int32) -> Void) throws {
    try detach {
      var byte: UInt8 = 0
      while true {
        let count = read(reading.load(ordering: .relaxed), &byte, 1)
        if count == 1 { body(Int32(byte)) } else if count == 0 || errno != EINTR { return }
      }
    }
  }
}
#endif
