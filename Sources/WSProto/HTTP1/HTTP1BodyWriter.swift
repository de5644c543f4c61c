// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// Writes a body in the framing that its head announced, and checks that the sender keeps to it.
struct HTTP1BodyWriter: Sendable {
  let framing: HTTP1Framing
  /// Bytes of the body written so far.
  private(set) var written = 0
  /// Whether the end has been written.
  private(set) var isFinished = false

  init(_ framing: HTTP1Framing) { self.framing = framing }

  /// Appends body bytes, and the end of the body if `finished`. If it throws, nothing is appended or changed.
  mutating func append(
    _ data: some Collection<UInt8>,
    finished: Bool,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    guard !isFinished else { throw .bodyAlreadyFinished }
    let count = data.count
    switch framing {
    case .none:
      guard count == 0 else { throw .bodyNotAllowed }
    case .contentLength(let declared):
      guard count <= declared - written else { throw .bodyTooLong(declared: declared) }
      guard !finished || written + count == declared else {
        throw .bodyTooShort(declared: declared, written: written + count)
      }
      out.append(contentsOf: data)
    case .chunked:
      // An empty chunk would end the body.
      if count > 0 {
        out.append(contentsOf: String(count, radix: 16).utf8)
        HTTP1HeadWriter.append("\r\n", to: &out)
        out.append(contentsOf: data)
        HTTP1HeadWriter.append("\r\n", to: &out)
      }
      if finished { HTTP1HeadWriter.append("0\r\n\r\n", to: &out) }
    case .untilClose:
      out.append(contentsOf: data)
    }
    written += count
    isFinished = finished
  }

  /// The framing of a response with these fields, and whether `Transfer-Encoding: chunked` must be added to
  /// them.
  ///
  /// `Content-Length` decides. Without it the body is chunked, or, if the peer is too old for chunks, lasts
  /// until the connection closes (RFC 9112 §6.1).
  static func framing(
    status: Int,
    headers: Headers,
    peerIsHTTP10: Bool = false
  ) throws(HTTP1WriteError) -> (framing: HTTP1Framing, addsTransferEncoding: Bool) {
    let lengths = headers[values: .contentLength]
    let codings = headers[values: .transferEncoding]
    guard lengths.isEmpty || codings.isEmpty else { throw .contentLengthWithTransferEncoding }
    if let coding = codings.first {
      guard codings.count == 1, coding.lowercased() == "chunked", !peerIsHTTP10,
        status >= 200, status != 204
      else { throw .unsupportedTransferCoding(codings.joined(separator: ", ")) }
    }
    var declared: Int?
    if let length = lengths.first {
      guard lengths.count == 1, length.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let count = Int(length) else {
        throw .invalidContentLength(lengths.joined(separator: ", "))
      }
      declared = count
    }
    switch status {
    case 100..<200, 204, 304: return (.none, false)
    default:
      if let declared { return (.contentLength(declared), false) }
      if peerIsHTTP10 { return (.untilClose, false) }
      return (.chunked, codings.isEmpty)
    }
  }
}
