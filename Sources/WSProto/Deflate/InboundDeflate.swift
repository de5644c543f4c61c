// SPDX-License-Identifier: Apache-2.0

/// The inbound half of permessage-deflate on one connection (RFC 7692 §7.2.2).
///
/// Its context is made, or borrowed from the pool, by the first byte of a compressed message. Without context takeover a
/// borrowed one goes back at the end of the message.
final class InboundDeflate {
  private let windowBits: Int
  private let resetsEachMessage: Bool
  private let pool: DeflatePool?
  private var context: Inflater?
  private var isInMessage = false

  /// - Parameters:
  ///   - windowBits: the largest window, in bits, that the peer may use, 8...15.
  ///   - noContextTakeover: whether the peer compresses each message on its own.
  ///   - pool: where contexts come from; `nil` for one of its own.
  init(windowBits: Int, noContextTakeover: Bool, pool: DeflatePool? = nil) {
    self.windowBits = windowBits
    resetsEachMessage = noContextTakeover
    self.pool = pool
  }

  /// Whether there is memory for it.
  var hasContext: Bool { context != nil }

  /// Whether a call of ``inflate(_:into:atMost:)`` without input may append something.
  var mayHaveMore: Bool { context?.mayHaveMore ?? false }

  /// An independent one with the same history.
  func copy() throws(InflateError) -> InboundDeflate {
    let copy = InboundDeflate(windowBits: windowBits, noContextTakeover: resetsEachMessage, pool: pool)
    copy.context = try context?.copy()
    copy.isInMessage = isInMessage
    return copy
  }

  /// Inflates a part of a message's payload and appends at most `atMost` bytes to `output`.
  ///
  /// - Parameter input: what was used is taken from its front.
  /// - Throws: ``InflateError``; what came out before the error stays in `output`. Nothing more can be inflated then.
  func inflate(
    _ input: inout UnsafeRawBufferPointer,
    into output: inout AssemblyBuffer,
    atMost: Int
  ) throws(InflateError) {
    isInMessage = true
    // No byte of the message is there yet.
    if context == nil, input.isEmpty { return }
    try open().inflate(&input, into: &output, atMost: atMost)
  }

  /// Ends the message, once ``mayHaveMore`` is `false`.
  ///
  /// - Throws: `invalid` where it ends inside a block.
  func finishMessage() throws(InflateError) {
    try context?.finishMessage()
    isInMessage = false
    guard resetsEachMessage else { return }
    if pool != nil { releaseContext() } else { context?.reset() }
  }

  /// Gives the context back, to the pool or to the system, where it holds nothing that a later message needs: between
  /// two messages, if no context takeover was negotiated. Whether there is none any more.
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
