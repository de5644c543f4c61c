// SPDX-License-Identifier: Apache-2.0

/// The inbound half of permessage-deflate on one connection (RFC 7692 §7.2.2).
///
/// The context is created, or borrowed from the pool, when the first byte of a compressed message arrives.
/// Without context takeover, a borrowed context is returned at the end of the message.
final class InboundDeflate {
  private let windowBits: Int
  private let resetsEachMessage: Bool
  private let pool: DeflatePool?
  private var context: Inflater?
  private var isInMessage = false

  /// - Parameters:
  ///   - windowBits: the largest window, in bits, that the peer may use, 8...15.
  ///   - noContextTakeover: whether the peer compresses each message on its own.
  ///   - pool: where contexts come from; `nil` to create one.
  init(windowBits: Int, noContextTakeover: Bool, pool: DeflatePool? = nil) {
    self.windowBits = windowBits
    resetsEachMessage = noContextTakeover
    self.pool = pool
  }

  /// Whether a context is currently held.
  var hasContext: Bool { context != nil }

  /// Whether calling ``inflate(_:into:atMost:)`` without input may append more output.
  var mayHaveMore: Bool { context?.mayHaveMore ?? false }

  /// An independent copy with the same history.
  func copy() throws(InflateError) -> InboundDeflate {
    let copy = InboundDeflate(windowBits: windowBits, noContextTakeover: resetsEachMessage, pool: pool)
    copy.context = try context?.copy()
    copy.isInMessage = isInMessage
    return copy
  }

  /// Inflates a part of a message's payload and appends at most `atMost` bytes to `output`.
  ///
  /// - Parameter input: the bytes used are removed from its front.
  /// - Throws: ``InflateError``. Output from before the error stays in `output`, and nothing more can be
  ///   inflated.
  func inflate(
    _ input: inout UnsafeRawBufferPointer,
    into output: inout AssemblyBuffer,
    atMost: Int
  ) throws(InflateError) {
    isInMessage = true
    // No byte of the message has arrived yet.
    if context == nil, input.isEmpty { return }
    try open().inflate(&input, into: &output, atMost: atMost)
  }

  /// Ends the message, once ``mayHaveMore`` is `false`.
  ///
  /// - Throws: `invalid` if the message ends inside a block.
  func finishMessage() throws(InflateError) {
    try context?.finishMessage()
    isInMessage = false
    guard resetsEachMessage else { return }
    if pool != nil { releaseContext() } else { context?.reset() }
  }

  /// Releases the context, to the pool or to the system, if no later message needs it: between two messages,
  /// without context takeover. Returns whether there is now no context.
  @discardableResult
  func releaseContext() -> Bool {
    guard resetsEachMessage, !isInMessage else { return context == nil }
    if let context { pool?.give(context, windowBits: windowBits) }
    context = nil
    return true
  }

  private func open() throws(InflateError) -> Inflater {
    if let context { return context }
    let made =
      if let pool { try pool.inflater(windowBits: windowBits) } else { try Inflater(windowBits: windowBits) }
    context = made
    return made
  }
}
