// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import HTTPTypes

/// The `Retry-After` field of a response (RFC 9110 §10.2.3).
enum RetryAfter {
  /// How long the server asks to wait; `nil` if the field is missing or can't be parsed.
  ///
  /// A date is compared with the response's own `Date` field, so that no clock is needed and the clocks of both ends
  /// may differ.
  static func delay(in fields: HTTPFields) -> Duration? {
    guard let text = fields[.retryAfter] else { return nil }
    if text.utf8.allSatisfy(URLBytes.isDigit) {
      // A number that doesn't fit is treated as a very long time.
      return text.isEmpty ? nil : .seconds(UInt32(text) ?? .max)
    }
    guard let time = HTTPDate.seconds(text), let now = fields[.date].flatMap(HTTPDate.seconds) else {
      return nil
    }
    return .seconds(max(0, time - now))
  }
}

/// A date such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7). The two obsolete formats aren't supported, since
/// no server in use sends them.
enum HTTPDate {
  /// The seconds since the beginning of 1970; `nil` if `text` isn't a date.
  static func seconds(_ text: String) -> Int? {
    let bytes = Array(text.utf8)
    guard bytes.count == 29, bytes[3] == UInt8(ascii: ","), bytes[26...].elementsEqual("GMT".utf8),
      let day = number(bytes[5..<7]), let year = number(bytes[12..<16]), let hour = number(bytes[17..<19]),
      let minute = number(bytes[20..<22]), let second = number(bytes[23..<25]),
      let month = months.firstIndex(of: String(decoding: bytes[8..<11], as: UTF8.self)),
      [4, 7, 11, 16, 25].allSatisfy({ bytes[$0] == 0x20 }),
      [19, 22].allSatisfy({ bytes[$0] == UInt8(ascii: ":") }),
      1...31 ~= day, hour < 24, minute < 60, second <= 60, year >= 1970
    else { return nil }
    return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
  }

  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The days since the beginning of 1970.
  private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
    func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
    let before = year - 1
    let leapDays = before / 4 - before / 100 + before / 400 - 477
    let ofMonths = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]
    return (year - 1970) * 365 + leapDays + ofMonths[month] + (month > 1 && isLeap(year) ? 1 : 0) + day - 1
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    digits.allSatisfy(URLBytes.isDigit) ? Int(String(decoding: digits, as: UTF8.self)) : nil
  }
}
#endif
