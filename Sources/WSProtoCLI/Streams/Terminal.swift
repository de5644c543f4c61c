// SPDX-License-Identifier: Apache-2.0

#if Tool
import Foundation
import Synchronization
import WSProtoLab
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The standard streams, written at once: a pipe's reader sees each line when it is there.
enum Terminal {
  /// Opens those of the three that are closed, so that no socket gets their numbers: the input is empty then, and writing
  /// fails. Before anything else is opened.
  static func openClosedStreams() {
    for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest number that is free. What can only be read fails where it is written.
      _ = open("/dev/null", O_RDONLY)
    }
  }

  static var outputIsTerminal: Bool { isatty(1) == 1 }
  static var inputIsTerminal: Bool { isatty(0) == 1 }
  static var errorIsTerminal: Bool { isatty(2) == 1 }

  static var environment: [String: String] { ProcessInfo.processInfo.environment }

  /// The colours of what goes to standard output.
  static let style = Style(isTerminal: outputIsTerminal, environment: environment)
  /// The colours of what goes to standard error.
  static let errorStyle = Style(isTerminal: errorIsTerminal, environment: environment)

  /// Prints a line; a failure is kept for ``checkOutput()``.
  static func print(_ line: String) {
    do {
      try write(Array((line + "\n").utf8))
    } catch {
      keep(error)
    }
  }

  /// Keeps a failure to write for ``checkOutput()``; the first one counts.
  static func keep(_ error: ToolFailure) { failure.withLock { $0 = $0 ?? error } }

  /// Writes to standard output.
  static func write(_ bytes: [UInt8]) throws(ToolFailure) {
    guard let code = write(bytes, to: 1) else { return }
    let text =
      code == EPIPE
      ? "nobody reads standard output any more"
      : "standard output cannot be written: \(String(cString: strerror(code)))"
    throw ToolFailure(.output, text)
  }

  /// - Throws: the first failure of ``print(_:)``: data was lost.
  static func checkOutput() throws(ToolFailure) {
    if let failure = failure.withLock({ $0 }) { throw failure }
  }

  private static let failure = Mutex<ToolFailure?>(nil)

  /// An error, on one line; what comes from a peer in it is escaped.
  static func printError(_ message: String) {
    _ = write(Array("wsproto: \(shown(message))\n".utf8), to: 2)
  }

  /// A line for people beside the output, on standard error.
  static func printNote(_ line: String) { _ = write(Array((line + "\n").utf8), to: 2) }

  /// Writes to standard error, as it is.
  static func writeError(_ text: String) { _ = write(Array(text.utf8), to: 2) }

  /// - Returns: `nil`, or the error's number.
  static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int32? {
    var position = 0
    while position < bytes.count {
      let count = bytes[position...].withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
      switch count {
      case 0...: position += count
      case _ where errno == EINTR: continue
      case _ where errno == EAGAIN:
        // Somebody else has made the stream non-blocking.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = poll(&waiting, 1, -1)
      default: return errno
      }
    }
    return nil
  }
}

private let systemWrite = write
#endif
