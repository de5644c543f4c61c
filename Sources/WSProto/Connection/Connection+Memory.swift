// SPDX-License-Identifier: Apache-2.0

// What an idle connection can do without.
extension Connection {
  /// Releases the compression contexts that no later message needs, to the connection's ``DeflatePool`` or to
  /// the system. For idle connections: the next message creates a context if it needs one, and the peer notices
  /// nothing.
  ///
  /// - The context for sending is released between two messages. The next message is compressed without history,
  ///   which is always legal (RFC 7692 §7.1.1) and a little less effective.
  /// - The context for receiving is released between two messages, and only if the peer compresses without context
  ///   takeover. Otherwise the peer's next message may refer to earlier ones, so the window stays.
  ///
  /// In the closure of `receive`, and in hooks, the direction whose call is running keeps its context.
  ///
  /// - Returns: whether the connection now holds no context.
  @discardableResult
  public func releaseContexts() -> Bool {
    let isBusy = isBusy
    let isOutboundFree = !isBusy.sending && outbound.transform.releaseContexts()
    let isInboundFree = !isBusy.receiving && inbound.transform.releaseContexts()
    return isOutboundFree && isInboundFree
  }
}
