// SPDX-License-Identifier: Apache-2.0

/// How the end of a body is determined (RFC 9112 §6.3).
enum HTTP1Framing: Sendable, Hashable {
  /// There is no body.
  case none
  /// The body has this many bytes.
  case contentLength(Int)
  /// The body is sent in chunks, the last one empty (§7.1).
  case chunked
  /// The body lasts until the stream ends.
  case untilClose

  /// The framing of a response with this head to a request that was neither HEAD nor CONNECT.
  ///
  /// Transfer codings before `chunked`, and codings without it, are left in the body (§6.3, rule 4).
  /// - Throws: what is wrong with the fields that determine the framing.
  init(ofResponse head: HTTP1Head) throws(HTTP1Error) {
    switch head.statusCode {
    case 100..<200, 204, 304:
      // The head ends the message, whatever the fields say (§6.3, rule 1).
      self = .none
      return
    default: break
    }
    let lengths = head.lines(of: .contentLength)
    let codings = head.lines(of: .transferEncoding)
    if case .none = codings {
      switch try Self.contentLength(lengths) {
      case 0: self = .none
      case let length?: self = .contentLength(length)
      case nil: self = .untilClose
      }
      return
    }
    guard case .none = lengths else { throw .contentLengthWithTransferEncoding }
    guard head.minorVersion > 0 else { throw .transferEncodingInHTTP10 }
    let isChunked = codings.elements.map { $0.equals("chunked") }
    guard isChunked.count(where: { $0 }) <= 1 else { throw .repeatedChunkedCoding }
    self = isChunked.last == true ? .chunked : .untilClose
  }

  /// The framing of the request with this head. The check is strict, because all readers of the bytes must
  /// agree where the message ends (§6.1, §6.3, §11.2).
  ///
  /// - Throws: what is wrong with the fields that should tell.
  init(ofRequest head: HTTP1Head) throws(HTTP1Error) {
    self = .none
    guard head.hasFraming else { return }
    let lengths = head.lines(of: .contentLength)
    let codings = head.lines(of: .transferEncoding)
    if case .none = codings {
      if let length = try Self.contentLength(lengths), length > 0 { self = .contentLength(length) }
      return
    }
    guard case .none = lengths else { throw .contentLengthWithTransferEncoding }
    guard case .one(let coding) = codings, coding.equals("chunked") else {
      throw .unsupportedTransferCoding
    }
    self = .chunked
  }

  /// `1*DIGIT`, or a list of equal numbers, which is what intermediaries make of a repeated field
  /// (RFC 9110 §8.6); `nil` if there is no such field.
  private static func contentLength(_ lines: FieldLines) throws(HTTP1Error) -> Int? {
    var agreed: Int?
    try lines.forEach { (line) throws(HTTP1Error) in
      // Unlike in other lists, empty elements are not skipped: they aren't numbers.
      for element in line.slice.split(separator: HTTP1Bytes.comma, omittingEmptySubsequences: false) {
        let span = element.span
        guard let number = decimal(span.extracting(trimmed(0..<span.count, in: span))) else {
          throw .invalidContentLength
        }
        guard agreed == nil || agreed == number else { throw .conflictingContentLengths }
        agreed = number
      }
    }
    return agreed
  }

  /// A decimal number without a sign; `nil` for anything else, and if it exceeds `Int`.
  private static func decimal(_ digits: Span<UInt8>) -> Int? {
    guard !digits.isEmpty else { return nil }
    var number = 0
    for index in digits.indices {
      let digit = digits[index] &- 0x30
      guard digit < 10 else { return nil }
      let (product, productOverflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, sumOverflow) = product.addingReportingOverflow(Int(digit))
      guard !productOverflow, !sumOverflow else { return nil }
      number = sum
    }
    return number
  }
}
