// SPDX-License-Identifier: Apache-2.0

/// The events of a connection, made as they are asked for.
///
/// Lazy like wsproto's generator: the connection's state moves when an event is taken, not when its bytes are
/// received. Ends where more bytes are needed; a later call gives what has come since.
public struct EventSequence: Sequence, IteratorProtocol {
  private let take: () -> Event?

  init(_ take: @escaping () -> Event?) { self.take = take }

  /// The next event; `nil` when more bytes are needed.
  public mutating func next() -> Event? { take() }
}
