// SPDX-License-Identifier: Apache-2.0

/// Where frames are written: an array, which grows, or memory of the caller's.
protocol FrameSink: ~Copyable, ~Escapable {
  /// Whether there is always room.
  static var grows: Bool { get }
  /// How many more bytes there is room for.
  var room: Int { get }
  /// How many bytes there are.
  var byteCount: Int { get }
  /// Appends `count` bytes, for which there is room. `write` must write all of them.
  mutating func append(exactly count: Int, _ write: (UnsafeMutableRawPointer) -> Void)
  mutating func removeLast(_ count: Int)
}

extension [UInt8]: FrameSink {
  static var grows: Bool { true }
  var room: Int { .max }
  var byteCount: Int { count }

  /// Doesn't allocate if the array has the capacity.
  @inlinable @inline(__always)
  mutating func append(exactly count: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
    append(addingCapacity: count) { span in
      span.withUnsafeMutableBufferPointer { room, initialized in
        // The array provides the room it was asked for; if it didn't, nothing would be written.
        guard room.count >= count, let target = room.baseAddress else { return }
        write(UnsafeMutableRawPointer(target))
        initialized = count
      }
    }
  }
}

extension OutputRawSpan: FrameSink {
  static var grows: Bool { false }
  var room: Int { freeCapacity }

  @inline(__always)
  mutating func append(exactly count: Int, _ write: (UnsafeMutableRawPointer) -> Void) {
    withUnsafeMutableBytes { room, initialized in
      // In bounds: the free capacity begins after the initialised part. If there were too little, nothing would be
      // written.
      guard room.count - initialized >= count, let base = room.baseAddress else { return }
      write(base + initialized)
      initialized += count
    }
  }
}
