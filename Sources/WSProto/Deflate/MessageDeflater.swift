// SPDX-License-Identifier: Apache-2.0

/// A compressor's context, with the rules by which a sender compresses messages (RFC 7692 §7.2.1).
///
/// Memory with zlib: `(1 << (windowBits + 2)) + (1 << (memoryLevel + 9))` bytes plus about 6 KB of state;
/// 268 KB for 15 and 8. The initialiser allocates it and `deinit` frees it, so create one for the first
/// message to compress, not when the connection opens.
package final class MessageDeflater<Backend: DeflateBackend> {
  private let backend: Backend
  private var isFresh = true
  private var hasFailed = false

  /// Input goes to the backend in slices of this size. Each is flushed, which costs five octets per slice,
  /// but keeps the sizes within 32 bits and the requested room small.
  private static var sliceSize: Int { 1 << 20 }
  /// Output room if the bound was too small. Well above the six octets below which zlib may repeat a flush
  /// marker.
  private static var extraRoom: Int { 16 << 10 }
  /// For the flush marker and the bits of an incomplete byte.
  private static var markerRoom: Int { 16 }

  package convenience init(
    windowBits: Int = 15,
    level: Int = -1,
    memoryLevel: Int = 8
  ) throws(DeflateError) {
    try self.init(DeflateSettings(windowBits: windowBits, level: level, memoryLevel: memoryLevel))
  }

  package convenience init(_ settings: DeflateSettings) throws(DeflateError) {
    guard settings.violation == nil else { throw .unsupportedParameter }
    self.init(try Backend(settings))
  }

  init(_ backend: Backend) { self.backend = backend }

  /// An independent copy with the same history, for owners with value semantics.
  package func copy() throws(DeflateError) -> MessageDeflater {
    let copy = MessageDeflater(try backend.copy())
    copy.isFresh = isFresh
    copy.hasFailed = hasFailed
    return copy
  }

  /// Clears the history (no context takeover, RFC 7692 §7.1.1) and any failure. Keeps the memory.
  ///
  /// - Returns: whether the context can be used.
  @discardableResult
  package func reset() -> Bool {
    guard !isFresh || hasFailed else { return true }
    hasFailed = !backend.reset()
    isFresh = true
    return !hasFailed
  }

  /// The largest size, in bytes, that `count` bytes in one call can become.
  package func bound(_ count: Int) -> Int { Self.withMarkers(backend.bound(count), count) }

  /// The same for any settings.
  package static func bound(_ count: Int) -> Int { withMarkers(Backend.bound(count), count) }

  private static func withMarkers(_ bound: Int, _ count: Int) -> Int {
    let (sum, overflow) = bound.addingReportingOverflow((count / sliceSize + 1) * markerRoom)
    return overflow ? .max : sum
  }

  /// Compresses a message, or a part of one, and appends all of it, flushed, to `output`. At the end of the
  /// message the trailing 00 00 FF FF is removed (RFC 7692 §7.2.1).
  ///
  /// - Parameter input: any size; must not overlap the storage of `output`.
  /// - Throws: `corruptState`; `output` is then what it was before the call.
  package func compress(
    _ input: UnsafeRawBufferPointer,
    finishMessage: Bool,
    into output: inout AssemblyBuffer
  ) throws(DeflateError) {
    guard !hasFailed else { throw .corruptState }
    guard !input.isEmpty else { return Self.compressNothing(finishMessage: finishMessage, into: &output) }
    isFresh = false
    let start = output.count
    var rest = input
    while !rest.isEmpty {
      let slice = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.sliceSize))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(Self.sliceSize))
      guard append(slice, to: &output) else { try fail(&output, start) }
    }
    guard output.count - start >= 4, output.endsWithFlushMarker else { try fail(&output, start) }
    if finishMessage { output.removeLast(4) }
  }

  /// What ``compress(_:finishMessage:into:)`` does without input. It needs no context: flushing without input
  /// produces nothing.
  static func compressNothing(finishMessage: Bool, into output: inout AssemblyBuffer) {
    // The stream is at a byte boundary, so this octet is the header of an empty stored block; the rest of
    // that block is the removed tail (RFC 7692 §7.2.3.6).
    if finishMessage { output.append(0) }
  }

  /// Runs one slice through the backend until all input is taken and all output for it is written.
  private func append(_ slice: UnsafeRawBufferPointer, to output: inout AssemblyBuffer) -> Bool {
    var input = slice
    var room = backend.bound(slice.count) &+ Self.markerRoom
    while true {
      var step: DeflateStep?
      output.append(upTo: room) { target in
        step = backend.step(input, into: target)
        return step?.written ?? 0
      }
      guard let step else { return false }
      if step.isFlushed { return true }
      // Neither library gets stuck, but the loop must end in any case.
      guard step.used > 0 || step.written > 0 else { return false }
      input = UnsafeRawBufferPointer(rebasing: input.dropFirst(step.used))
      room = Self.extraRoom
    }
  }

  private func fail(_ output: inout AssemblyBuffer, _ start: Int) throws(DeflateError) -> Never {
    hasFailed = true
    output.removeLast(output.count - start)
    throw .corruptState
  }
}

extension AssemblyBuffer {
  /// Whether the last four bytes are 00 00 FF FF: the length of an empty stored block (RFC 1951 §3.2.4).
  fileprivate var endsWithFlushMarker: Bool {
    guard let base, count >= 4 else { return false }
    return (base + (count - 4)).loadUnaligned(as: UInt32.self) == UInt32(0xFFFF_0000).littleEndian
  }
}
