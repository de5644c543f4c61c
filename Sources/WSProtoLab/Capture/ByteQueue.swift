// SPDX-License-Identifier: Apache-2.0

/// The bytes of a file that have arrived and were not read yet, with their place in the file.
struct ByteQueue {
  private var bytes: [UInt8] = []
  private var head = 0
  /// The offset of the next byte in the file.
  private(set) var offset = 0

  /// How many bytes wait.
  var count: Int { bytes.count - head }

  /// Everything that waits. A slice that is kept makes the next `append` copy, so none should be.
  var waiting: ArraySlice<UInt8> { bytes[head...] }

  /// Adds what has arrived. The read part of the storage is used again first.
  mutating func append(_ new: RawSpan) {
    if head > 0 {
      bytes.removeSubrange(..<head)
      head = 0
    }
    new.withUnsafeBytes { bytes.append(contentsOf: $0) }
  }

  /// The next `wanted` bytes; `nil` if fewer wait.
  func peek(_ wanted: Int) -> ArraySlice<UInt8>? {
    count >= wanted ? bytes[head..<head + wanted] : nil
  }

  /// Goes past up to `number` bytes.
  mutating func skip(_ number: Int) {
    let skipped = min(max(0, number), count)
    head += skipped
    offset += skipped
  }
}
