// SPDX-License-Identifier: Apache-2.0

/// The outbound half of permessage-deflate on one connection (RFC 7692 §7.2.1).
///
/// Its context is made, or borrowed from the pool, by the first message that is compressed. Without context takeover a
/// borrowed one goes back at the end of the message.
final class OutboundDeflate {
  let settings: DeflateSettings
  private let resetsEachMessage: Bool
  private let threshold: Int
  private let pool: DeflatePool?
  private var context: Deflater?
  private var isInMessage = false

  /// - Parameters:
  ///   - settings: the window negotiated, and how hard to try.
  ///   - noContextTakeover: whether each message is compressed on its own.
  ///   - threshold: whole messages of fewer bytes are not worth it.
  ///   - pool: where contexts come from; `nil` for one of its own.
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

  /// Whether there is memory for it.
  var hasContext: Bool { context != nil }

  /// An independent one with the same history.
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

  /// Whether a message is to be compressed that begins with `count` bytes: `whole`, or to be continued.
  func compresses(_ count: Int, whole: Bool) -> Bool { !whole || count >= threshold }

  /// The most that `count` bytes can become in one call of ``compress(_:finished:into:)``, in bytes.
  func bound(_ count: Int) -> Int { context?.bound(count) ?? Deflater.bound(count) }

  /// Compresses a message or a part of one and appends what is to be sent: all that was given, so that the peer can read
  /// a part as soon as it has it.
  ///
  /// A part ends with the 00 00 FF FF of its flush; the end of a message is without (RFC 7692 §7.2.1), and is one octet
  /// where an empty part ends it (§7.2.3.6).
  /// - Throws: `LocalProtocolError` if there is no memory to compress with; `output` is then what it was.
  func compress(
    _ input: UnsafeRawBufferPointer,
    finished: Bool,
    into output: inout AssemblyBuffer
  ) throws(LocalProtocolError) {
    do throws(DeflateError) {
      // Nothing needs no context.
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

  /// Forgets the history: what is compressed from now on refers to nothing that was sent before. To be called between
  /// two messages, after one that was compressed elsewhere: the peer's window holds that now (§7.2.2).
  func restart() { context?.reset() }

  /// Gives the context back, to the pool or to the system, if no message is under way: the next one is compressed
  /// without the history, which is always legal. Whether there is none any more.
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

  /// Compresses a message that refers to no other: the payload of any connection with the same window. For a message
  /// that is sent on many.
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
    // It may be kept for long: in a storage of its size, not one with room for the worst case.
    return Bytes(copying: UnsafeRawBufferPointer(start: output.base, count: output.count))
  }
}

extension LocalProtocolError {
  fileprivate init(_ error: DeflateError) {
    self.init("the message cannot be compressed: \(error)", .extension)
  }
}
