// SPDX-License-Identifier: Apache-2.0

/// The pings of an open connection: when the next is due, which of them are not answered, and until when the peer must
/// give a sign of life.
struct KeepalivePings: Sendable, BitwiseCopyable {
  /// When the next ping is due; `nil`: never.
  private(set) var due: Duration?
  /// When a peer from which nothing came since a ping is given up; `nil` while there is a sign of life, or no limit.
  private(set) var silentUntil: Duration?

  // Pings are numbered from 1. A pong answers its own ping and all earlier ones (RFC 6455 §5.5.3).
  private var sent: UInt64 = 0
  private var answered: UInt64 = 0
  /// When the last four pings were sent, each at its number modulo four: a round trip of up to four intervals can be
  /// measured.
  private var sentTimes = InlineArray<4, Duration>(repeating: .zero)

  /// No ping was sent yet; the first is due at `due`.
  init(due: Duration?) { self.due = due }

  /// What comes next if nothing else happens.
  var nextDeadline: Duration? {
    guard let due, let silentUntil else { return due ?? silentUntil }
    return min(due, silentUntil)
  }

  /// The ping to send at `now`.
  mutating func send(at now: Duration, _ keepalive: Timeouts.Keepalive) -> Ping {
    sent &+= 1
    sentTimes[Int(sent % 4)] = now
    // From now on, not from when it was due: a caller that was held up sends one ping, not a row of them.
    let next = now.saturatingAdd(keepalive.pingInterval)
    due = next > now ? next : nil
    // The first ping that nothing has followed counts; those behind it don't put the end off.
    if silentUntil == nil, let limit = keepalive.pongTimeout { silentUntil = now.saturatingAdd(limit) }
    return Ping(payload: Self.payload(sent))
  }

  /// Anything came from the peer.
  mutating func seen() { silentUntil = nil }

  /// A pong came: gives the round trip if it answers one of the pings for the first time.
  mutating func answer(_ payload: RawSpan, at now: Duration) -> Duration? {
    guard let number = Self.number(payload), answered < number, number <= sent else { return nil }
    answered = number
    return sent - number < 4 ? now.saturatingSubtract(sentTimes[Int(number % 4)]) : nil
  }

  // MARK: The payload: "ping" and the number, 12 bytes, so that pings of the caller's own are seldom taken for these.

  private static let mark: UInt32 = 0x7069_6e67

  private static func payload(_ number: UInt64) -> Bytes {
    var bytes = InlineArray<12, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    var words = span.mutableBytes
    words.storeBytes(of: mark.bigEndian, toByteOffset: 0, as: UInt32.self)
    words.storeBytes(of: number.bigEndian, toByteOffset: 4, as: UInt64.self)
    return Bytes(copying: bytes.span.bytes)
  }

  private static func number(_ payload: RawSpan) -> UInt64? {
    guard payload.byteCount == 12 else { return nil }
    let words = (
      UInt32(bigEndian: payload.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self)),
      UInt64(bigEndian: payload.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt64.self))
    )
    return words.0 == mark ? words.1 : nil
  }
}
