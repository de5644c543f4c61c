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
  @inline(__always)
  package func write(into output: inout [UInt8]) {
    let total = count
    output.append(addingCapacity: total) { span in
      span.withUnsafeMutableBufferPointer { room, initialized in
        // Array provides the room it was asked for; if it didn't, nothing would be written.
        guard room.count >= total, let target = room.baseAddress else { return }
        header.write(payload, to: UnsafeMutableRawPointer(target))
        initialized = total
      }
    }
  }

  /// Writes the frame to memory of the caller.
  ///
  /// - Throws: `LocalProtocolError` if there is too little room; nothing is written then.
  @inline(__always)
  package func write(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    let total = count
    guard output.freeCapacity >= total else { throw Self.noRoom(total, output.freeCapacity) }
    output.withUnsafeMutableBytes { room, initialized in
      // In bounds: the free capacity begins after the initialised part, and its size was checked.
      guard let base = room.baseAddress else { return }
      header.write(payload, to: base + initialized)
      initialized += total
    }
  }

  @inline(never)
  static func noRoom(_ needed: Int, _ free: Int) -> LocalProtocolError {
    LocalProtocolError(
      "the output has room for \(free) bytes where \(needed) may be needed",
      .outputTooSmall(needed: needed)
    )
  }
}
