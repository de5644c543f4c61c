// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Something this end was asked to send, but must not.
enum HTTP1WriteError: Error, Sendable, Hashable {
  case invalidMethod(String)
  case invalidTarget(String)
  case invalidStatusCode(Int)
  case invalidReasonPhrase(String)
  case invalidFieldName(String)
  case invalidFieldValue(name: String)
  case invalidContentLength(String)
  case unsupportedTransferCoding(String)
  case contentLengthWithTransferEncoding
  case bodyNotAllowed
  case bodyTooLong(declared: Int)
  case bodyTooShort(declared: Int, written: Int)
  case bodyAlreadyFinished
}

extension HTTP1WriteError: CustomStringConvertible {
  var description: String {
    switch self {
    case .invalidMethod(let method): "the method \(method.debugDescription) is not a token"
    case .invalidTarget(let target):
      "the request target \(target.debugDescription) is empty or holds something other than visible ASCII"
    case .invalidStatusCode(let code): "the status code \(code) is not one from 100 to 599"
    case .invalidReasonPhrase(let reason):
      "the reason phrase \(reason.debugDescription) holds a control character"
    case .invalidFieldName(let name): "the field name \(name.debugDescription) is not a token"
    case .invalidFieldValue(let name): "the value of the field \(name) holds a control character"
    case .invalidContentLength(let value): "the Content-Length \(value.debugDescription) is not one number"
    case .unsupportedTransferCoding(let value):
      "the Transfer-Encoding \(value.debugDescription) is not chunked alone"
    case .contentLengthWithTransferEncoding: "Content-Length and Transfer-Encoding exclude each other"
    case .bodyNotAllowed: "a response of this status has no body"
    case .bodyTooLong(let declared): "the body is longer than its Content-Length of \(declared)"
    case .bodyTooShort(let declared, let written):
      "the body ends after \(written) of the \(declared) bytes of its Content-Length"
    case .bodyAlreadyFinished: "the body is finished"
    }
  }
}

/// Serialises the heads of HTTP/1.1 messages.
///
/// Every part is checked before it is appended, so the only CR, LF or NUL ever sent are the writer's own. If
/// a function throws, the buffer is unchanged.
enum HTTP1HeadWriter {
  /// Appends `method SP target SP HTTP/1.1 CRLF` (RFC 9112 §3).
  static func appendRequestLine(
    method: StaticString = "GET",
    target: String,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    guard isToken(method) else { throw .invalidMethod(method.description) }
    guard !target.isEmpty, target.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .invalidTarget(target)
    }
    append(method, to: &out)
    out.append(HTTP1Bytes.space)
    out.append(contentsOf: target.utf8)
    append(" HTTP/1.1\r\n", to: &out)
  }

  /// Appends `HTTP/1.1 SP code SP reason CRLF` (RFC 9112 §4). Without a given reason, the registered one is
  /// used.
  static func appendStatusLine(
    _ code: Int,
    reason: String? = nil,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    guard 100...599 ~= code else { throw .invalidStatusCode(code) }
    if let reason, !reason.utf8.allSatisfy(HTTP1Bytes.isFieldContent) { throw .invalidReasonPhrase(reason) }
    append("HTTP/1.1 ", to: &out)
    for unit in [code / 100, code / 10 % 10, code % 10] {
      out.append(0x30 &+ UInt8(truncatingIfNeeded: unit))
    }
    out.append(HTTP1Bytes.space)
    if let reason {
      out.append(contentsOf: reason.utf8)
    } else {
      append(reasonPhrase(forStatus: code), to: &out)
    }
    appendLineEnd(to: &out)
  }

  /// Appends one field line. The name is written as given.
  static func appendField(
    _ name: StaticString,
    _ value: String,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    guard isToken(name) else { throw .invalidFieldName(name.description) }
    guard value.utf8.allSatisfy(HTTP1Bytes.isFieldContent) else {
      throw .invalidFieldValue(name: name.description)
    }
    append(name, to: &out)
    append(": ", to: &out)
    out.append(contentsOf: value.utf8)
    appendLineEnd(to: &out)
  }

  /// Appends one field line whose value is bytes. The name is written as given.
  static func appendField(
    _ name: StaticString,
    _ value: Span<UInt8>,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    guard HTTP1Bytes.firstNonFieldContent(in: value.bytes, 0..<value.count) == nil else {
      throw .invalidFieldValue(name: name.description)
    }
    append(name, to: &out)
    append(": ", to: &out)
    value.withUnsafeBufferPointer { out.append(contentsOf: $0) }
    appendLineEnd(to: &out)
  }

  /// Appends `Sec-WebSocket-Extensions` with the value that `negotiate` appends, or nothing if that value is
  /// empty (RFC 6455 §9.1).
  static func appendExtensions(
    to out: inout [UInt8],
    _ negotiate: (inout [UInt8]) -> Void
  ) throws(HTTP1WriteError) {
    let start = out.count
    append("Sec-WebSocket-Extensions: ", to: &out)
    let valueStart = out.count
    negotiate(&out)
    guard out.count > valueStart else {
      out.removeSubrange(start...)
      return
    }
    guard HTTP1Bytes.firstNonFieldContent(in: out.span.bytes, valueStart..<out.count) == nil else {
      out.removeSubrange(start...)
      throw .invalidFieldValue(name: "Sec-WebSocket-Extensions")
    }
    appendLineEnd(to: &out)
  }

  /// Appends fields in order, byte for byte: all of them, or none if it throws.
  static func appendFields(_ headers: Headers, to out: inout [UInt8]) throws(HTTP1WriteError) {
    let start = out.count
    for field in headers {
      let name = field.name.rawName
      // Checked again even though the type promises it: this is the last place before the wire.
      guard !name.isEmpty, name.utf8.allSatisfy(HTTP1Bytes.isToken) else {
        out.removeSubrange(start...)
        throw .invalidFieldName(name)
      }
      out.append(contentsOf: name.utf8)
      append(": ", to: &out)
      let isLegal = field.withUnsafeBytesOfValue { value in
        out.append(contentsOf: value)
        return value.allSatisfy(HTTP1Bytes.isFieldContent)
      }
      guard isLegal else {
        out.removeSubrange(start...)
        throw .invalidFieldValue(name: name)
      }
      appendLineEnd(to: &out)
    }
  }

  /// Appends the empty line that ends a head.
  static func appendEnd(to out: inout [UInt8]) { appendLineEnd(to: &out) }

  @inline(__always)
  static func append(_ text: StaticString, to out: inout [UInt8]) {
    out.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  static func appendLineEnd(to out: inout [UInt8]) {
    out.append(HTTP1Bytes.carriageReturn)
    out.append(HTTP1Bytes.lineFeed)
  }

  private static func isToken(_ text: StaticString) -> Bool {
    text.withUTF8Buffer { !$0.isEmpty && $0.allSatisfy(HTTP1Bytes.isToken) }
  }
}
