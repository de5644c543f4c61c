// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// How much a peer may send: messages and bytes a second, on average, with a burst on top.
public struct RateLimit: Sendable, Hashable {
  /// A number of units a second.
  public struct Rate: Sendable, Hashable {
    /// Units a second on average, 1 or more.
    public let perSecond: Int
    /// How many units may come at once after a pause, 1 or more.
    public let burst: Int

    /// Numbers below 1 are taken for 1.
    ///
    /// - Parameters:
    ///   - perSecond: units a second on average.
    ///   - burst: units that may come at once after a pause; those of a second unless stated.
    public init(perSecond: Int, burst: Int? = nil) {
      self.perSecond = max(1, perSecond)
      self.burst = max(1, burst ?? perSecond)
    }
  }

  /// Messages; `nil` for any number.
  public var messages: Rate?
  /// Bytes of payload, after inflation; `nil` for any number.
  public var bytes: Rate?

  /// Limits for what is named.
  public init(messages: Rate? = nil, bytes: Rate? = nil) {
    self.messages = messages
    self.bytes = bytes
  }
}

/// What a peer has sent, against a ``RateLimit``: a token bucket for messages, another for bytes.
///
/// It holds no clock. Times are the caller's: durations since any fixed moment. A time before one that was given earlier
/// is taken for that one. Two numbers of 16 bytes, whatever comes.
public struct RateMeter: Sendable, Hashable {
  /// The limit.
  public let limit: RateLimit
  private var messages = Bucket()
  private var bytes = Bucket()
  private var latest: Duration?

  /// Nothing has been sent yet: both buckets are full.
  public init(_ limit: RateLimit) { self.limit = limit }

  /// A message came.
  ///
  /// It counts even if it is beyond the limit, and one larger than the burst, too: as it is there, what can be done is to
  /// read no more for a while, or to close with 1008.
  /// - Parameters:
  ///   - count: its bytes.
  ///   - time: now.
  /// - Returns: how long nothing more should be read for the limit to be kept again; zero while it is kept.
  public mutating func receivedMessage(bytes count: Int, at time: Duration) -> Duration {
    let now = max(time, latest ?? time)
    latest = now
    let forMessages = limit.messages.map { messages.take(1, of: $0, at: now) } ?? .zero
    let forBytes = limit.bytes.map { bytes.take(count, of: $0, at: now) } ?? .zero
    return max(forMessages, forBytes)
  }
}

/// A token bucket as one time: that at which it is full again.
private struct Bucket: Sendable, Hashable {
  private var full: Duration?

  /// Takes `count` tokens, which may leave a debt.
  ///
  /// - Returns: how long it takes to pay that back; zero for none.
  mutating func take(_ count: Int, of rate: RateLimit.Rate, at now: Duration) -> Duration {
    let full = max(self.full ?? now, now).saturatingAdd(rate.time(for: count))
    self.full = full
    return max(.zero, full.saturatingSubtract(now).saturatingSubtract(rate.time(for: rate.burst)))
  }
}

extension RateLimit.Rate {
  /// How long `count` tokens take to come: 64 bits times 60 bits fit 128, in attoseconds.
  fileprivate func time(for count: Int) -> Duration {
    Duration(attoseconds: Int128(max(0, count)) * 1_000_000_000_000_000_000 / Int128(perSecond))
  }
}
#endif
