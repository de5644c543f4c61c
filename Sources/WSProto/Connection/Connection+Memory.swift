// SPDX-License-Identifier: Apache-2.0

// What an idle connection can do without.
extension Connection {
  /// Gives back the contexts of a compression that no later message needs: to the connection's ``DeflatePool``, or to the
  /// system. For connections that are idle; the next message that needs a context makes one, and the peer notices
  /// nothing.
  ///
  /// - What it sends with goes between two messages: the next message is compressed without the history, which is always
  ///   legal (RFC 7692 §7.1.1) and compresses it a little less.
  /// - What it receives with goes between two messages, and only where the peer compresses without context takeover. Else
  ///   the peer's next message may refer to what came before, and the window stays.
  /// - On a client the 512 bytes that masking keys come from go too (RFC 6455 §5.3); the next frame draws a new seed.
  ///
  /// The half whose call is under way, when this is called by a hook or by the closure of a borrowed door, keeps its own.
  ///
  /// - Returns: whether the connection holds no context any more.
  @discardableResult
  public func releaseContexts() -> Bool {
    let isBusy = isBusy
    if !isBusy.sending { outbound.releaseRandomness() }
    let isOutboundFree = !isBusy.sending && outbound.transform.releaseContexts()
    let isInboundFree = !isBusy.receiving && inbound.transform.releaseContexts()
    return isOutboundFree && isInboundFree
  }
}
