// SPDX-License-Identifier: Apache-2.0

/// Contexts of permessage-deflate that connections share, so that many of them need the memory of few.
///
/// A connection that is given a pool borrows a context for a message and gives it back at the message's end, in each
/// direction for which no context takeover was negotiated (RFC 7692 §7.1.1): a server that asks for both flags holds
/// contexts only for the messages under way. Where context takeover was negotiated a connection keeps what it has
/// borrowed; what it sends with can be given back between two messages.
///
/// Not `Sendable`: have one for each event loop, actor or thread, and hand it to the connections that live there.
public final class DeflatePool {
  /// The most idle contexts that are kept in each direction. Where one more is given back, the one is freed that was not
  /// used for longest.
  public let capacity: Int

  private struct Idle<Key: Equatable, Context> {
    var key: Key
    var context: Context
  }

  // The last one was given back last.
  private var deflaters: [Idle<DeflateSettings, Deflater>] = []
  private var inflaters: [Idle<Int, Inflater>] = []

  /// An empty pool.
  ///
  /// - Parameter capacity: how many idle contexts to keep in each direction; 0 keeps none. With zlib's defaults each takes
  ///   268 KB to send with, 40 KB to receive.
  public init(capacity: Int = 8) { self.capacity = max(0, capacity) }

  /// How many idle contexts there are, to send with and to receive.
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

  /// Takes a context back that nobody uses any more, whatever was done with it.
  func give(_ deflater: Deflater, _ settings: DeflateSettings) {
    guard deflater.reset() else { return }
    keep(deflater, settings, in: &deflaters)
  }

  /// Takes a context back that nobody uses any more, whatever was done with it.
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
