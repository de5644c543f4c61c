// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The standard streams, written at once: a pipe's reader sees each line when it is there.
enum Terminal {
  /// Whether standard output is a terminal that wants colour (see no-color.org).
  static var hasColour: Bool { isatty(1) == 1 && getenv("NO_COLOR") == nil }

  static var inputIsTerminal: Bool { isatty(0) == 1 }

  static func print(_ line: String) { write(line + "\n", to: 1) }

  static func printError(_ line: String) { write("wsproto: \(line)\n", to: 2) }

  private static func write(_ text: String, to descriptor: Int32) {
    let bytes = Array(text.utf8)
    var position = 0
    while position < bytes.count {
      let count = bytes[position...].withUnsafeBytes { systemWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno != EINTR { return }
      position += max(0, count)
    }
  }
}

private let systemWrite = write
#endif
