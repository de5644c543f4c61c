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

/// A file, or standard input, read piece by piece.
struct InputFile {
  /// The file within a sentence.
  let name: String
  private let descriptor: Int32

  /// - Parameter path: the file's; `-` for standard input.
  init(_ path: String) throws(ToolFailure) {
    if path == "-" {
      name = "standard input"
      descriptor = 0
      return
    }
    name = "the file \(shownInQuotes(path))"
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ToolFailure(.input, "\(name) cannot be opened: \(String(cString: strerror(errno)))")
    }
  }

  /// Waits for the next bytes. Returns how many there are, from the buffer's beginning; 0 at the end.
  func read(into buffer: inout [UInt8]) throws(ToolFailure) -> Int {
    while true {
      let count = buffer.withUnsafeMutableBytes { systemRead(descriptor, $0.baseAddress, $0.count) }
      switch count {
      case 0...: return count
      case _ where errno == EINTR: continue
      case _ where errno == EAGAIN:
        // Somebody else has made the stream non-blocking.
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&waiting, 1, -1)
      default: throw ToolFailure(.input, "\(name) cannot be read: \(String(cString: strerror(errno)))")
      }
    }
  }
}

private let systemRead = read
#endif
