// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes

/// Reads requests of HTTP/1.1 one after the other, with their bodies: for a server that answers more than handshakes.
///
/// The rules are those of the handshake's own reader (RFC 9112): what that refuses is refused here, and bodies are framed
/// as strictly.
package struct HTTP1RequestReader: Sendable {
  /// What a request consists of, in this order.
  package enum Part: Sendable, Hashable {
    /// The head. The host is among the fields; `path` is the target as it was sent.
    case head(HTTPRequest, minorVersion: Int)
    /// A part of the body, without its framing.
    case body(Bytes)
    /// The request is complete.
    case end
  }

  private var heads: HTTP1HeadReader
  private var body: HTTP1BodyReader?
  /// What comes behind the head whose body is read.
  private var rest: ArraySlice<UInt8> = []
  /// Why nothing more is read.
  private var violation: RemoteProtocolError?

  package init(limits: Limits) {
    heads = HTTP1HeadReader(.request, limits: HTTP1Limits(limits))
  }

  /// Takes bytes from the transport.
  package mutating func receive(_ bytes: UnsafeRawBufferPointer) {
    if body == nil { heads.receive(bytes) } else { rest.append(contentsOf: bytes) }
  }

  /// Takes bytes from the transport.
  package mutating func receive(_ bytes: RawSpan) { bytes.withUnsafeBytes { receive($0) } }

  /// The next part; `nil` when more bytes are needed.
  ///
  /// - Throws: what the request violates, with the response to send. Nothing more can be read.
  package mutating func next() throws(RemoteProtocolError) -> Part? {
    if let violation { throw violation }
    do throws(RemoteProtocolError) {
      return body == nil ? try nextHead() : try nextOfBody()
    } catch {
      violation = error
      throw error
    }
  }

  private mutating func nextHead() throws(RemoteProtocolError) -> Part? {
    let head: HTTP1Head
    do throws(HTTP1Error) {
      guard let next = try heads.next() else { return nil }
      head = next
      body = HTTP1BodyReader(try HTTP1Framing(ofRequest: head), limits: heads.limits)
    } catch {
      throw RemoteProtocolError(error, for: .server)
    }
    do throws(HandshakeFault) {
      try RequestHead.checkHost(head.lines(of: .host))
    } catch {
      throw RemoteProtocolError(error, for: .server)
    }
    rest = heads.takeTrailingBytes()[...]
    // A token, which the reader has checked.
    let method = HTTPRequest.Method(head.method.text) ?? .get
    let request = HTTPRequest(
      method: method,
      scheme: nil,
      authority: nil,
      path: head.target.text,
      headerFields: head.makeHeaders()
    )
    return .head(request, minorVersion: head.minorVersion)
  }

  private mutating func nextOfBody() throws(RemoteProtocolError) -> Part? {
    do throws(HTTP1Error) {
      switch try body?.next(&rest) {
      case .data(let data): return .body(Bytes(data))
      case .needMoreData: return nil
      case .finished, nil:
        body = nil
        heads.receive(Array(rest))
        rest = []
        return .end
      }
    } catch {
      throw RemoteProtocolError(error, for: .server)
    }
  }

  /// The bytes behind what `next()` has given out, which leave the reader: those of the protocol that the request has
  /// upgraded to.
  package mutating func takeUnreadBytes() -> Bytes {
    let bytes = Bytes(rest + heads.takeTrailingBytes())
    rest = []
    return bytes
  }
}

extension HTTPResponse {
  /// Appends the head of this response as HTTP/1.1 writes it (RFC 9112 §4, §5).
  ///
  /// - Throws: `LocalProtocolError` for a field or a status that must not be sent. Nothing was appended then.
  package func appendHead(to output: inout [UInt8]) throws(LocalProtocolError) {
    let start = output.count
    do throws(HTTP1WriteError) {
      try HTTP1HeadWriter.appendStatusLine(status.code, to: &output)
      try HTTP1HeadWriter.appendFields(headerFields, to: &output)
      HTTP1HeadWriter.appendEnd(to: &output)
    } catch {
      output.removeSubrange(start...)
      throw LocalProtocolError(error)
    }
  }
}
