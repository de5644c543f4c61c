// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a peer's HTTP/1.1 message.
enum HTTP1Error: Error, Sendable, Hashable, CaseIterable {
  // The head as a whole.
  case headTooLarge
  case tooManyFields
  case bareLineFeed
  case bareCarriageReturn
  case truncatedHead

  // The request line (RFC 9112 §3) and the status line (§4).
  case malformedRequestLine
  case invalidMethod
  case invalidTarget
  case malformedVersion
  case http10Request
  case unsupportedVersion
  case malformedStatusLine
  case invalidStatusCode
  case invalidReasonPhrase

  // Field lines (RFC 9112 §5).
  case whitespaceBeforeFirstField
  case obsoleteLineFolding
  case emptyFieldName
  case invalidFieldName
  case whitespaceBeforeColon
  case missingColon
  case invalidFieldValue

  // Framing (RFC 9112 §6, §7).
  case invalidContentLength
  case conflictingContentLengths
  case contentLengthWithTransferEncoding
  case unsupportedTransferCoding
  case transferEncodingInHTTP10
  case repeatedChunkedCoding
  case invalidChunkSize
  case chunkSizeOverflow
  case invalidChunkExtension
  case chunkOverheadTooLarge
  case missingChunkEnd
  case invalidTrailer
  case truncatedBody

  /// The status with which a server answers such a request.
  var suggestedStatus: Int {
    switch self {
    case .headTooLarge, .tooManyFields: 431
    case .unsupportedTransferCoding: 501
    case .http10Request, .unsupportedVersion: 505
    default: 400
    }
  }
}

extension HTTP1Error: CustomStringConvertible {
  var description: String {
    switch self {
    case .headTooLarge: "the head is larger than the limit"
    case .tooManyFields: "the head has more fields than the limit"
    case .bareLineFeed: "a line ends with LF alone (RFC 9112 §2.2)"
    case .bareCarriageReturn: "CR without LF inside a line (RFC 9112 §2.2)"
    case .truncatedHead: "the stream ended inside a head (RFC 9112 §8)"
    case .malformedRequestLine: "the request line is not method SP target SP version (RFC 9112 §3)"
    case .invalidMethod: "the method is not a token (RFC 9110 §9.1)"
    case .invalidTarget: "the request target holds something other than visible ASCII (RFC 9112 §3.2)"
    case .malformedVersion: "the version is not HTTP/DIGIT.DIGIT (RFC 9112 §2.3)"
    case .http10Request: "the request is HTTP/1.0; WebSocket needs HTTP/1.1 (RFC 6455 §4.2.1)"
    case .unsupportedVersion: "the HTTP major version is not 1 (RFC 9112 §2.3)"
    case .malformedStatusLine: "the status line is not version SP code SP reason (RFC 9112 §4)"
    case .invalidStatusCode: "the status code is not three digits (RFC 9112 §4)"
    case .invalidReasonPhrase: "the reason phrase holds a control byte (RFC 9112 §4)"
    case .whitespaceBeforeFirstField: "whitespace between the start line and the first field (RFC 9112 §2.2)"
    case .obsoleteLineFolding: "a field line is folded (RFC 9112 §5.2)"
    case .emptyFieldName: "a field has no name (RFC 9110 §5.1)"
    case .invalidFieldName: "a field name is not a token (RFC 9110 §5.1)"
    case .whitespaceBeforeColon: "whitespace between a field name and its colon (RFC 9112 §5.1)"
    case .missingColon: "a field line has no colon (RFC 9112 §5)"
    case .invalidFieldValue: "a field value holds a control byte (RFC 9110 §5.5)"
    case .invalidContentLength: "Content-Length is not a number, or too large (RFC 9110 §8.6)"
    case .conflictingContentLengths: "several Content-Length values differ (RFC 9112 §6.3)"
    case .contentLengthWithTransferEncoding: "Content-Length beside Transfer-Encoding (RFC 9112 §6.1)"
    case .unsupportedTransferCoding: "a transfer coding other than chunked alone (RFC 9112 §6.1)"
    case .transferEncodingInHTTP10: "Transfer-Encoding in an HTTP/1.0 message (RFC 9112 §6.1)"
    case .repeatedChunkedCoding: "the chunked coding is applied more than once (RFC 9112 §6.1)"
    case .invalidChunkSize: "a chunk size is not hexadecimal (RFC 9112 §7.1)"
    case .chunkSizeOverflow: "a chunk size is too large (RFC 9112 §7.1)"
    case .invalidChunkExtension: "a chunk extension is malformed (RFC 9112 §7.1.1)"
    case .chunkOverheadTooLarge: "chunk extensions or trailers are larger than the limit (RFC 9112 §7.1.1)"
    case .missingChunkEnd: "a chunk is longer than its size (RFC 9112 §7.1)"
    case .invalidTrailer: "a trailer field is malformed (RFC 9112 §7.1.2)"
    case .truncatedBody: "the stream ended inside a body (RFC 9112 §8)"
    }
  }
}

/// Limits for what an HTTP/1.1 peer can make this end hold.
struct HTTP1Limits: Sendable, Hashable {
  /// The size of a head in bytes, from the start of its start line to the end of its empty line. The
  /// extensions of a chunked body, and its trailers, are limited to the same size.
  var maxHeadBytes: Int = 16384
  /// The number of fields in a head, and in the trailers of a chunked body.
  var maxFieldCount: Int = 100

  /// Clamped, because offsets have 32 bits, and `HTTPFields` holds fewer than 65,535 fields.
  var clamped: HTTP1Limits {
    HTTP1Limits(
      maxHeadBytes: min(max(maxHeadBytes, 0), 1 << 30),
      maxFieldCount: min(max(maxFieldCount, 0), 65_000)
    )
  }
}

extension HTTP1Limits {
  /// The limits that a connection's configuration sets for heads.
  init(_ limits: Limits) {
    self.init(maxHeadBytes: limits.maxHeadBytes, maxFieldCount: limits.maxHeadFields)
  }
}
