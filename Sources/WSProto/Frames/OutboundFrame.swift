// SPDX-License-Identifier: Apache-2.0

/// A frame that is ready to be written: its header, and where its payload lies.
///
/// The one way to the wire: whoever has the memory makes room for ``count`` bytes and calls ``write(into:)-(OutputRawSpan)``. The
/// payload's memory is the caller's, or a buffer of the pipeline's, and stays as it is until the next frame is made.
package struct OutboundFrame {
  let header: FrameHeaderBytes
  let payload: UnsafeRawBufferPointer

  /// The size on the wire in bytes. Both are the sizes of things in memory, so the sum cannot overflow.
  @inline(__always)
  package var count: Int { header.count &+ payload.count }

  /// Appends the frame to an array: no allocation if it has the room.
  @inline(__always)
  package func write(into output: inout [UInt8]) {
    let total = count
    output.append(addingCapacity: total) { span in
      span.withUnsafeMutableBufferPointer { room, initialized in
        // Array gives the room that it was asked for; nothing is written where it should not.
        guard room.count >= total, let target = room.baseAddress else { return }
        header.write(payload, to: UnsafeMutableRawPointer(target))
        initialized = total
      }
    }
  }

  /// Appends the frame to memory of the caller's.
  ///
  /// - Throws: `LocalProtocolError` if it has not the room; nothing was written then.
  @inline(__always)
  package func write(into output: inout OutputRawSpan) throws(LocalProtocolError) {
    let total = count
    guard output.freeCapacity >= total else { throw Self.noRoom(total, output.freeCapacity) }
    output.withUnsafeMutableBytes { room, initialized in
      // In bounds: the free capacity begins behind what is initialised, and was checked.
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
