// SPDX-License-Identifier: Apache-2.0

#if NIO
import WSProto

/// The characters of URLs (RFC 3986 §2), and percent-encoding.
enum URLBytes {
  /// The bytes of a URL or a reference.
  ///
  /// - Throws: ``InvalidURL`` for a space or a control character, which are not allowed (RFC 3986 §2).
  static func checked(_ text: String) throws(InvalidURL) -> [UInt8] {
    let bytes = Array(text.utf8)
    if let byte = bytes.first(where: { $0 <= 0x20 || $0 == 0x7f }) { throw .character(byte) }
    return bytes
  }

  static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- UInt8(ascii: "a") < 26 }

  static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  /// Decodes percent-encoded octets (RFC 3986 §2.1).
  ///
  /// - Returns: `nil` if a percent sign isn't followed by two hexadecimal digits, or if the result isn't UTF-8.
  static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> String? {
    var decoded: [UInt8] = []
    var rest = bytes
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        decoded.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(HexDigits.value),
        let low = rest.popFirst().flatMap(HexDigits.value)
      else {
        return nil
      }
      decoded.append(high << 4 | low)
    }
    return String(validating: decoded, as: UTF8.self)
  }

  /// The path and query for a request target. Bytes that aren't allowed there are percent-encoded; existing encodings
  /// are kept (WHATWG URL, "path state" and "query state").
  static func target(_ bytes: ArraySlice<UInt8>) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var target: [UInt8] = []
    var isQuery = false
    for byte in bytes {
      if byte == UInt8(ascii: "?") { isQuery = true }
      if isTargetByte(byte, inQuery: isQuery) {
        target.append(byte)
      } else {
        target += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: target, as: UTF8.self)
  }

  private static func isTargetByte(_ byte: UInt8, inQuery: Bool) -> Bool {
    switch byte {
    case 0...0x20, 0x7f...0xff, UInt8(ascii: "\""), UInt8(ascii: "#"), UInt8(ascii: "<"), UInt8(ascii: ">"):
      false
    case UInt8(ascii: "\\"), UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "}"): inQuery
    default: true
    }
  }

  /// Removes the segments `.` and `..` from a path (RFC 3986 §5.2.4). The path and the result begin with a slash.
  static func withoutDotSegments(_ path: ArraySlice<UInt8>) -> [UInt8] {
    let dot = UInt8(ascii: ".")
    var kept: [ArraySlice<UInt8>] = []
    let segments = path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    for (index, segment) in segments.enumerated() {
      let isLast = index == segments.count - 1
      switch Array(segment) {
      case [dot]: if isLast { kept.append([]) }
      case [dot, dot]:
        _ = kept.popLast()
        if isLast { kept.append([]) }
      default: kept.append(segment)
      }
    }
    return kept.reduce(into: []) { path, segment in
      path.append(UInt8(ascii: "/"))
      path += segment
    }
  }
}
#endif
