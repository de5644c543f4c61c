// SPDX-License-Identifier: Apache-2.0

/// permessage-deflate contexts that connections share, so that many connections need the memory of a few.
///
/// A connection with a pool borrows a context for one message and returns it when the message ends, in each
/// direction for which no context takeover was negotiated (RFC 7692 §7.1.1). A server that asks for both
/// flags therefore holds contexts only for messages in progress. With context takeover, a connection keeps
/// the context it borrowed; the one for sending can be released between two messages.
///
/// Not `Sendable`: create one for each event loop, actor or thread, and pass it to the connections that live
/// there.
public final class DeflatePool {
  /// The maximum number of idle contexts kept in each direction. When one more is returned, the least
  /// recently used one is freed.
  public let capacity: Int

  private struct Idle<Key: Equatable, Context> {
    var key: Key
    var context: Context
  }

  // Ordered by time of return, the latest last.
  private var deflaters: [Idle<DeflateSettings, Deflater>] = []
  private var inflaters: [Idle<Int, Inflater>] = []

  /// An empty pool.
  ///
  /// - Parameter capacity: how many idle contexts to keep in each direction; 0 keeps none. With zlib's
  ///   defaults a context takes 268 KB for sending and 40 KB for receiving.
  public init(capacity: Int = 8) { self.capacity = max(0, capacity) }

  /// The number of idle contexts for sending and for receiving.
  public var idleContexts: (outbound: Int, inbound: Int) { (deflaters.count, inflaters.count) }

  /// Frees the idle contexts.
  public func removeAll() {
    deflaters = []
    inflaters = []
  }

  /// A context without history.
  func deflater(_ settings: DeflateSettings) throws(DeflateError) -> Deflater {
    if let idle = Self.take(settings, from: &deflaters) { return idle }
    return try Deflater(settings)
  }

  /// A context without history.
  func inflater(windowBits: Int) throws(InflateError) -> Inflater {
    if let idle = Self.take(windowBits, from: &inflaters) { return idle }
    return try Inflater(windowBits: windowBits)
  }

  /// Takes back a context that nobody uses any more, in whatever state it is.
  func give(_ deflater: Deflater, _ settings: DeflateSettings) {
    guard deflater.reset() else { return }
    keep(deflater, settings, in: &deflaters)
  }

  /// Takes back a context that nobody uses any more, in whatever state it is.
  func give(_ inflater: Inflater, windowBits: Int) {
    guard inflater.reset() else { return }
    keep(inflater, windowBits, in: &inflaters)
  }

  private static func take<Key, Context>(_ key: Key, from idle: inout [Idle<Key, Context>]) -> Context? {
    guard let index = idle.lastIndex(where: { $0.key == key }) else { return nil }
    return idle.remove(at: index).context
  }

  private func keep<Key, Context>(_ context: Context, _ key: Key, in idle: inout [Idle<Key, Context>]) {
    guard capacity > 0 else { return }
    if idle.count >= capacity { idle.removeFirst(idle.count - capacity + 1) }
    idle.append(Idle(key: key, context: context))
  }
}

@available(*, unavailable)
extension DeflatePool: Sendable {}
