// SPDX-License-Identifier: Apache-2.0

/// The outbound half of permessage-deflate on one connection (RFC 7692 §7.2.1).
///
/// The context is created, or borrowed from the pool, for the first message that is compressed. Without
/// context takeover, a borrowed context is returned at the end of the message.
final class OutboundDeflate {
  let settings: DeflateSettings
  private let resetsEachMessage: Bool
  private let threshold: Int
  private let pool: DeflatePool?
  private var context: Deflater?
  private var isInMessage = false

  /// - Parameters:
  ///   - settings: the negotiated window and the compression level.
  ///   - noContextTakeover: whether each message is compressed on its own.
  ///   - threshold: whole messages of fewer bytes are not compressed.
  ///   - pool: where contexts come from; `nil` to create one.
  init(
    _ settings: DeflateSettings,
    noContextTakeover: Bool,
    threshold: Int = 0,
    pool: DeflatePool? = nil
  ) {
    self.settings = settings
    resetsEachMessage = noContextTakeover
    self.threshold = threshold
    self.pool = pool
  }

  /// Whether a context is currently held.
  var hasContext: Bool { context != nil }

  /// An independent copy with the same history.
  func copy() throws(LocalProtocolError) -> OutboundDeflate {
    let copy = OutboundDeflate(
      settings,
      noContextTakeover: resetsEachMessage,
      threshold: threshold,
      pool: pool
    )
    copy.isInMessage = isInMessage
    do throws(DeflateError) {
      copy.context = try context?.copy()
    } catch {
      throw LocalProtocolError(error)
    }
    return copy
  }

  /// Whether to compress a message that begins with `count` bytes. `whole`: whether these are the whole
  /// message.
  func compresses(_ count: Int, whole: Bool) -> Bool { !whole || count >= threshold }

  /// The largest size, in bytes, that `count` bytes can become in one call of ``compress(_:finished:into:)``.
  func bound(_ count: Int) -> Int { context?.bound(count) ?? Deflater.bound(count) }

  /// Compresses a message, or a part of one, and appends the bytes to send. A part is flushed completely, so
  /// that the peer can read it on arrival.
  ///
  /// A part ends with the 00 00 FF FF of its flush. The end of a message omits it (RFC 7692 §7.2.1), and is
  /// one octet if the last part is empty (§7.2.3.6).
  /// - Throws: `LocalProtocolError` if there is no memory for a context; `output` is then unchanged.
  func compress(
    _ input: UnsafeRawBufferPointer,
    finished: Bool,
    into output: inout AssemblyBuffer
  ) throws(LocalProtocolError) {
    do throws(DeflateError) {
      // Compressing nothing needs no context.
      if context == nil, input.isEmpty {
        Deflater.compressNothing(finishMessage: finished, into: &output)
      } else {
        try open().compress(input, finishMessage: finished, into: &output)
      }
      isInMessage = !finished
      guard finished, resetsEachMessage else { return }
      if pool != nil { releaseContext() } else { context?.reset() }
    } catch {
      throw LocalProtocolError(error)
    }
  }

  /// Clears the history: later messages don't refer to earlier ones. Call it between two messages, after one
  /// that was compressed elsewhere, because the peer's window now holds that one (§7.2.2).
  func restart() { context?.reset() }

  /// Releases the context, to the pool or to the system, unless a message is in progress. The next message is
  /// then compressed without history, which is always legal. Returns whether there is now no context.
  @discardableResult
  func releaseContext() -> Bool {
    guard !isInMessage else { return context == nil }
    if let context { pool?.give(context, settings) }
    context = nil
    return true
  }

  private func open() throws(DeflateError) -> Deflater {
    if let context { return context }
    let made = if let pool { try pool.deflater(settings) } else { try Deflater(settings) }
    context = made
    return made
  }

  /// Compresses a message without any history, so that any connection with the same window can send the
  /// payload. For a message sent on many connections.
  ///
  /// - Throws: `LocalProtocolError` if there is no memory to compress with.
  static func compressOnce(
    _ input: UnsafeRawBufferPointer,
    _ settings: DeflateSettings,
    pool: DeflatePool? = nil
  ) throws(LocalProtocolError) -> Bytes {
    let once = OutboundDeflate(settings, noContextTakeover: true, pool: pool)
    var output = AssemblyBuffer()
    try once.compress(input, finished: true, into: &output)
    // The result may be kept for long, so it gets storage of its exact size, without room for the worst case.
    return Bytes(copying: UnsafeRawBufferPointer(start: output.base, count: output.count))
  }
}

extension LocalProtocolError {
  fileprivate init(_ error: DeflateError) {
    self.init("the message cannot be compressed: \(error)", .extension)
  }
}
