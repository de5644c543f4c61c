// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A buffered file to write, and an error that says what failed.
final class OutputFile {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private let path: String
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private static let capacity = 1 << 20

  init(path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard descriptor >= 0 else { throw Failure(description: "cannot open \(path): errno \(errno)") }
    buffer.reserveCapacity(Self.capacity * 2)
  }

  func write(_ bytes: ArraySlice<UInt8>) throws {
    buffer += bytes
    if buffer.count >= Self.capacity { try flush() }
  }

  func close() throws {
    try flush()
    guard descriptor >= 0 else { return }
    #if canImport(Darwin)
    Darwin.close(descriptor)
    #elseif canImport(Musl)
    Musl.close(descriptor)
    #else
    Glibc.close(descriptor)
    #endif
  }

  private func flush() throws {
    var done = 0
    while done < buffer.count {
      let written = unsafe buffer[done...].withUnsafeBytes { bytes in
        unsafe systemWrite(descriptor, bytes.baseAddress, bytes.count)
      }
      guard written > 0 else { throw Failure(description: "cannot write \(path): errno \(errno)") }
      done += written
    }
    buffer.removeAll(keepingCapacity: true)
  }
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}
