// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProtoLab
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Files that are written whole, beside the output.
enum OutputFile {
  /// Writes a file, in place of one that is there.
  static func write(_ lines: [String], to path: String) throws(ToolFailure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    var failure = descriptor < 0 ? errno : nil
    if descriptor >= 0 {
      failure = Terminal.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: descriptor)
      // Some file systems tell only now that there was no room.
      if close(descriptor) != 0 { failure = failure ?? errno }
    }
    if let failure {
      throw ToolFailure(
        .output,
        "the file \(shownInQuotes(path)) cannot be written: \(String(cString: strerror(failure)))"
      )
    }
  }
}
#endif
