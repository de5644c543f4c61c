// SPDX-License-Identifier: Apache-2.0

/// A frame that is ready to be written: its header, and a pointer to its payload.
///
/// All frames are written through this type: the owner of the memory makes room for ``count`` bytes and calls
/// ``write(into:)-(OutputRawSpan)``. The payload's memory belongs to the caller or to a buffer of the
/// pipeline, and doesn't change until the next frame is made.
package struct OutboundFrame {
  let header: FrameHeaderBytes
  let payload: UnsafeRawBufferPointer

  /// The size on the wire in bytes. Both terms are sizes of things in memory, so the sum cannot overflow.
  @inline(__always)
  package var count: Int { header.count &+ payload.count }

  /// Appends the frame to an array. Doesn't allocate if the array has room.
  package func write(into output: inout [UInt8]) {
    output.append(exactly: count) { write(to: $0) }
  }

  /// Writes the frame to memory of the caller.
  ///
  /// - Throws: `LocalProtocolError` if there is too little room; nothing is written then.
  package func write(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    guard output.freeCapacity >= count else { throw Self.noRoom(count, output.freeCapacity) }
    output.append(exactly: count) { write(to: $0) }
  }

  /// Bounds: `target` has room for ``count``.
  private func write(to target: UnsafeMutableRawPointer) {
    header.write(payload.baseAddress ?? UnsafeRawPointer(target), count: payload.count, to: target)
  }

  @inline(never)
  static func noRoom(_ needed: Int, _ free: Int) -> LocalProtocolError {
    LocalProtocolError(
      "the output has room for \(free) bytes where \(needed) may be needed",
      .outputTooSmall(needed: needed)
    )
  }
}

// The two sinks. `write` must write all of the bytes that it is given room for.
extension [UInt8] {
  /// Appends `count` bytes that `write` writes. Doesn't allocate if there is room for them.
  @inline(__always)
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

extension OutputRawSpan {
  /// Appends `count` bytes that `write` writes. The caller has made sure that there is room for them.
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
