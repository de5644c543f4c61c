// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Field names in the spelling that browsers use, so that they need not be created for every request.
///
/// Other spellings are not found, because a name keeps the case in which it was sent.
enum CommonFieldNames {
  private struct Entry: Sendable {
    let spelling: StaticString
    let name: HTTPField.Name
  }

  /// The entries, by the length of their names.
  private static let entries: [[Entry]] = {
    let spellings: [StaticString] = [
      "Host", "Connection", "Upgrade", "Origin", "User-Agent", "Pragma", "Cache-Control", "Cookie",
      "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Length", "Content-Type",
      "Date", "Server", "Set-Cookie", "Transfer-Encoding", "Via", "Vary", "Location",
      "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "X-Forwarded-For", "X-Forwarded-Proto",
      "Sec-WebSocket-Key", "Sec-WebSocket-Accept", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
      "Sec-WebSocket-Extensions",
    ]
    var entries: [[Entry]] = Array(repeating: [], count: 25)
    for spelling in spellings {
      let count = spelling.utf8CodeUnitCount
      guard count < entries.count, let name = HTTPField.Name(spelling.description) else { continue }
      entries[count].append(Entry(spelling: spelling, name: name))
    }
    return entries
  }()

  /// The name spelled exactly like `bytes[range]`; the range must lie within `bytes`.
  static func name(spelled bytes: Span<UInt8>, _ range: Range<Int>) -> HTTPField.Name? {
    guard range.count < entries.count else { return nil }
    candidates: for entry in entries[range.count] {
      let expected = entry.spelling.utf8Start
      // `entries[count]` holds names of `count` bytes, so `index` stays within both.
      for index in 0..<range.count where bytes[range.lowerBound &+ index] != expected[index] {
        continue candidates
      }
      return entry.name
    }
    return nil
  }
}
