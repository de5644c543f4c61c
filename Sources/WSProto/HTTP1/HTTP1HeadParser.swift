// SPDX-License-Identifier: Apache-2.0

/// Parses single lines: request line, status line, field line.
///
/// Every range is within `bytes`. A line contains neither LF nor the CR of its line end.
enum HTTP1HeadParser {
  /// `method SP request-target SP HTTP-version` (RFC 9112 §3), with single spaces only.
  static func requestLine(
    _ bytes: Span<UInt8>,
    _ line: Range<Int>,
    into head: inout HTTP1Head
  ) throws(HTTP1Error) {
    var index = line.lowerBound
    while index < line.upperBound, HTTP1Bytes.isToken(bytes[index]) { index &+= 1 }
    let method = line.lowerBound..<index
    guard index < line.upperBound else { throw .malformedRequestLine }
    guard bytes[index] == HTTP1Bytes.space, !method.isEmpty else {
      try refuseCarriageReturn(bytes, line)
      throw .invalidMethod
    }
    index &+= 1
    let targetStart = index
    while index < line.upperBound, bytes[index] > 0x20, bytes[index] < 0x7f { index &+= 1 }
    let target = targetStart..<index
    guard index < line.upperBound else { throw .malformedRequestLine }
    guard bytes[index] == HTTP1Bytes.space, !target.isEmpty else {
      try refuseCarriageReturn(bytes, line)
      throw .invalidTarget
    }
    let minor = try version(bytes, (index &+ 1)..<line.upperBound)
    guard minor > 0 else { throw .http10Request }
    head.minorVersion = 1
    head.methodOrReason = method
    head.targetRange = target
  }

  /// `HTTP-version SP status-code SP [reason-phrase]` (RFC 9112 §4). The second space may be missing if there
  /// is no reason, because some servers omit it and nothing becomes ambiguous. Any three digits are accepted;
  /// a status outside 100 to 599 is treated as a 5xx by the reader of the response (RFC 9110 §15).
  static func statusLine(
    _ bytes: Span<UInt8>,
    _ line: Range<Int>,
    into head: inout HTTP1Head
  ) throws(HTTP1Error) {
    try refuseCarriageReturn(bytes, line)
    let codeStart = line.lowerBound &+ 9
    guard line.count >= 9, bytes[codeStart &- 1] == HTTP1Bytes.space else {
      throw .malformedStatusLine
    }
    let minor = try version(bytes, line.lowerBound..<(line.lowerBound &+ 8))
    let codeEnd = codeStart &+ 3
    guard line.upperBound >= codeEnd else { throw .invalidStatusCode }
    var code = 0
    for index in codeStart..<codeEnd {
      guard let digit = digit(bytes[index]) else { throw .invalidStatusCode }
      code = code &* 10 &+ digit
    }
    var reason = codeEnd..<line.upperBound
    if !reason.isEmpty {
      guard bytes[codeEnd] == HTTP1Bytes.space else {
        throw digit(bytes[codeEnd]) == nil ? .malformedStatusLine : .invalidStatusCode
      }
      reason = (codeEnd &+ 1)..<line.upperBound
      guard HTTP1Bytes.firstNonFieldContent(in: bytes.bytes, reason) == nil else {
        throw .invalidReasonPhrase
      }
    }
    head.minorVersion = min(minor, 1)
    head.statusCode = code
    head.methodOrReason = reason
  }

  /// The minor version in `HTTP/1.DIGIT` (RFC 9112 §2.3), which is case-sensitive.
  private static func version(_ bytes: Span<UInt8>, _ range: Range<Int>) throws(HTTP1Error) -> Int {
    let start = range.lowerBound
    guard range.count == 8,
      bytes[start] == 0x48, bytes[start &+ 1] == 0x54, bytes[start &+ 2] == 0x54, bytes[start &+ 3] == 0x50,
      bytes[start &+ 4] == 0x2f, bytes[start &+ 6] == 0x2e,
      let major = digit(bytes[start &+ 5]), let minor = digit(bytes[start &+ 7])
    else {
      try refuseCarriageReturn(bytes, range)
      throw .malformedVersion
    }
    guard major == 1 else { throw .unsupportedVersion }
    return minor
  }

  @inline(__always)
  private static func digit(_ byte: UInt8) -> Int? {
    byte &- 0x30 < 10 ? Int(byte &- 0x30) : nil
  }

  /// A CR inside a line gets its own error: it is the classic way to hide a line end (RFC 9112 §2.2).
  private static func refuseCarriageReturn(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(HTTP1Error) {
    for index in line where bytes[index] == HTTP1Bytes.carriageReturn { throw .bareCarriageReturn }
  }

  /// `field-name ":" OWS field-value OWS` (RFC 9112 §5). The line must not be empty.
  static func fieldLine(
    _ bytes: Span<UInt8>,
    _ line: Range<Int>,
    isFirst: Bool
  ) throws(HTTP1Error) -> HTTP1Field {
    let index = HTTP1Bytes.endOfToken(in: bytes.bytes, line)
    let name = line.lowerBound..<index
    guard index < line.upperBound, bytes[index] == HTTP1Bytes.colon, !name.isEmpty else {
      throw badName(bytes, line, stoppedAt: index, isFirst: isFirst)
    }
    let value = trimmed((index &+ 1)..<line.upperBound, in: bytes)
    if let bad = HTTP1Bytes.firstNonFieldContent(in: bytes.bytes, value) {
      throw bytes[bad] == HTTP1Bytes.carriageReturn ? .bareCarriageReturn : .invalidFieldValue
    }
    return HTTP1Field(id: .recognize(bytes, name), name: name, value: value)
  }

  /// The content of a line that continues the field line before it, without leading whitespace (`obs-fold`,
  /// RFC 9112 §5.2); `nil` if the line isn't a continuation.
  static func continuation(_ bytes: Span<UInt8>, _ line: Range<Int>) throws(HTTP1Error) -> Range<Int>? {
    guard !line.isEmpty, HTTP1Bytes.isWhitespace(bytes[line.lowerBound]) else { return nil }
    if let bad = HTTP1Bytes.firstNonFieldContent(in: bytes.bytes, line) {
      throw bytes[bad] == HTTP1Bytes.carriageReturn ? .bareCarriageReturn : .invalidFieldValue
    }
    return trimmed(line, in: bytes)
  }

  /// The field line at the start of `window` and the position after it, in one pass. If the line is not legal
  /// or not complete, `nil` and the position up to which there is no line feed; ``fieldLine(_:_:isFirst:)``
  /// then finds what is wrong.
  static func wholeFieldLine(_ bytes: Span<UInt8>, _ window: Range<Int>) -> (field: HTTP1Field?, end: Int) {
    let nameEnd = HTTP1Bytes.endOfToken(in: bytes.bytes, window)
    guard nameEnd < window.upperBound, bytes[nameEnd] == HTTP1Bytes.colon, nameEnd > window.lowerBound else {
      return (nil, nameEnd)
    }
    let name = window.lowerBound..<nameEnd
    let content = (nameEnd &+ 1)..<window.upperBound
    guard let end = HTTP1Bytes.firstNonFieldContent(in: bytes.bytes, content) else {
      return (nil, window.upperBound)
    }
    // The line feed must be inside the window too.
    guard window.upperBound &- end >= 2, bytes[end] == HTTP1Bytes.carriageReturn,
      bytes[end &+ 1] == HTTP1Bytes.lineFeed
    else { return (nil, end) }
    let value = trimmed(content.lowerBound..<end, in: bytes)
    return (HTTP1Field(id: .recognize(bytes, name), name: name, value: value), end &+ 2)
  }

  private static func badName(
    _ bytes: Span<UInt8>,
    _ line: Range<Int>,
    stoppedAt index: Int,
    isFirst: Bool
  ) -> HTTP1Error {
    guard index < line.upperBound else { return .missingColon }
    let byte = bytes[index]
    if index == line.lowerBound {
      if HTTP1Bytes.isWhitespace(byte) { return isFirst ? .whitespaceBeforeFirstField : .obsoleteLineFolding }
      if byte == HTTP1Bytes.colon { return .emptyFieldName }
    }
    if byte == HTTP1Bytes.carriageReturn { return .bareCarriageReturn }
    if HTTP1Bytes.isWhitespace(byte) {
      var next = index
      while next < line.upperBound, HTTP1Bytes.isWhitespace(bytes[next]) { next &+= 1 }
      if next < line.upperBound, bytes[next] == HTTP1Bytes.colon { return .whitespaceBeforeColon }
    }
    return .invalidFieldName
  }
}
