// SPDX-License-Identifier: Apache-2.0

/// A frame that is ready to be written: its header, and a pointer to its payload.
///
/// All frames but plain messages, which need none of this, are written through this type. The payload's memory belongs to
/// the caller or to a buffer of the pipeline, and doesn't change until the next frame is made.
package struct OutboundFrame {
  let header: FrameHeaderBytes
  let payload: UnsafeRawBufferPointer

  /// The size on the wire in bytes. Both terms are sizes of things in memory, so the sum cannot overflow.
  @inline(__always)
  package var count: Int { header.count &+ payload.count }

  /// Writes the frame.
  ///
  /// - Throws: `LocalProtocolError` if there is too little room; nothing is written then.
  func write<Sink: FrameSink & ~Copyable & ~Escapable>(into output: inout Sink) throws(LocalProtocolError) {
    guard output.room >= count else { throw Self.noRoom(count, output.room) }
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
