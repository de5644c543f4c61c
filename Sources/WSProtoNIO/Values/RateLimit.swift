// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// How much a peer may send: messages and bytes per second on average, with bursts.
public struct RateLimit: Sendable, Hashable {
  /// A number of units per second.
  public struct Rate: Sendable, Hashable {
    /// The average number of units per second, at least 1.
    public let perSecond: Int
    /// The number of units that may come at once after a pause, at least 1.
    public let burst: Int

    /// Creates a rate. Numbers below 1 are raised to 1.
    ///
    /// - Parameters:
    ///   - perSecond: the average number of units per second.
    ///   - burst: the number of units that may come at once after a pause; by default those of one second.
    public init(perSecond: Int, burst: Int? = nil) {
      self.perSecond = max(1, perSecond)
      self.burst = max(1, burst ?? perSecond)
    }
  }

  /// The rate of messages; `nil` for no limit.
  public var messages: Rate?
  /// The rate of payload bytes after decompression; `nil` for no limit.
  public var bytes: Rate?

  /// Creates a limit for what is given.
  public init(messages: Rate? = nil, bytes: Rate? = nil) {
    self.messages = messages
    self.bytes = bytes
  }
}

/// Measures what a peer sends against a ``RateLimit``, with one token bucket for messages and one for bytes.
///
/// It has no clock: the caller passes times as durations since any fixed moment. A time earlier than a previous one
/// counts as the previous one. The memory it needs doesn't depend on what the peer sends.
public struct RateMeter: Sendable, Hashable {
  /// The limit.
  public let limit: RateLimit
  private var messages = Bucket()
  private var bytes = Bucket()
  private var latest: Duration?

  /// Creates a meter whose buckets are full.
  public init(_ limit: RateLimit) { self.limit = limit }

  /// Counts a received message.
  ///
  /// The message counts even if it exceeds the limit or is larger than a burst. Since it has already been received, the
  /// caller can only stop reading for a while, or close the connection with 1008.
  /// - Parameters:
  ///   - count: the message's size in bytes.
  ///   - time: the current time.
  /// - Returns: how long to stop reading so that the limit is kept again; zero while it is kept.
  public mutating func receivedMessage(bytes count: Int, at time: Duration) -> Duration {
    let now = max(time, latest ?? time)
    latest = now
    let forMessages = limit.messages.map { messages.take(1, of: $0, at: now) } ?? .zero
    let forBytes = limit.bytes.map { bytes.take(count, of: $0, at: now) } ?? .zero
    return max(forMessages, forBytes)
  }
}

/// A token bucket, stored as the time at which it is full again.
private struct Bucket: Sendable, Hashable {
  private var full: Duration?

  /// Takes `count` tokens, which may leave a debt.
  ///
  /// - Returns: the time until the debt is paid back; zero for none.
  mutating func take(_ count: Int, of rate: RateLimit.Rate, at now: Duration) -> Duration {
    let full = max(self.full ?? now, now).saturatingAdd(rate.time(for: count))
    self.full = full
    return max(.zero, full.saturatingSubtract(now).saturatingSubtract(rate.time(for: rate.burst)))
  }
}

extension RateLimit.Rate {
  /// How long it takes for `count` tokens to accrue. In attoseconds, a product of 64 and 60 bits fits into 128.
  fileprivate func time(for count: Int) -> Duration {
    Duration(attoseconds: Int128(max(0, count)) * 1_000_000_000_000_000_000 / Int128(perSecond))
  }
}
#endif
