// SPDX-License-Identifier: Apache-2.0

/// Numbers the pings of one connection from 1, and evaluates their pongs.
struct RoundTrips: Sendable, BitwiseCopyable {
  /// The round-trip time of the newest ping that was answered; `nil` before the first.
  private(set) var latest: Duration?

  private var sent: UInt64 = 0
  /// This ping and all earlier ones are answered: a pong also answers earlier pings (RFC 6455 §5.5.3).
  private var answered: UInt64 = 0
  /// When the last four pings were sent, each at its number modulo four. So round trips of up to four
  /// intervals can be measured.
  private var sentTimes = InlineArray<4, Duration>(repeating: .zero)

  /// The next ping, to be sent at `now`.
  mutating func ping(at now: Duration) -> Ping {
    sent &+= 1
    sentTimes[Int(sent % 4)] = now
    return Ping(payload: Self.payload(sent))
  }

  /// A pong arrived: returns the round-trip time if it is the first answer to one of the pings.
  mutating func pong(_ payload: RawSpan, at now: Duration) -> Duration? {
    guard let number = Self.number(payload), answered < number, number <= sent else { return nil }
    answered = number
    guard sent - number < 4 else { return nil }
    let roundTrip = now.saturatingSubtract(sentTimes[Int(number % 4)])
    latest = roundTrip
    return roundTrip
  }

  // MARK: The payload

  /// A payload is "ping" and the number, 12 bytes, so that the caller's own pings are rarely mistaken for these.
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
    let mark = UInt32(bigEndian: payload.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt32.self))
    let number = UInt64(bigEndian: payload.unsafeLoadUnaligned(fromByteOffset: 4, as: UInt64.self))
    return mark == Self.mark ? number : nil
  }
}
