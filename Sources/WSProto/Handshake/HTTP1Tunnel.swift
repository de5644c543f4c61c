// SPDX-License-Identifier: Apache-2.0

package import HTTPTypes

/// A client's part in opening a tunnel through an HTTP proxy (RFC 9110 §9.3.6), as bytes: the request, and the answer to
/// it in pieces of any size. For WSProtoNIO.
package struct HTTP1Tunnel: Sendable {
  /// What the proxy has said so far.
  package enum Answer: Sendable {
    /// Nothing yet that counts: more bytes are needed.
    case none
    /// The tunnel is open; these bytes have come through it already.
    case open(early: [UInt8])
    /// The proxy has refused. A part of the body comes with each answer, the last one with `bodyFinished`.
    case refused(RejectConnection, RejectData)
  }

  private enum State {
    case awaitingResponse
    case readingBody(RejectConnection, HTTP1BodyReader)
    case over
  }

  private var state = State.awaitingResponse
  private var reader: HTTP1HeadReader
  private var informationalCount = 0

  /// A tunnel that was not asked for yet.
  package init(limits: Limits = Limits()) {
    reader = HTTP1HeadReader(.response, limits: HTTP1Limits(limits))
  }

  /// Appends the request for a tunnel to `authority`, host and port.
  ///
  /// - Throws: `LocalProtocolError` if it must not be sent.
  package static func appendRequest(
    to authority: String,
    _ fields: HTTPFields,
    to output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try fields.checkValues()
    do throws(HTTP1WriteError) {
      try HTTP1HeadWriter.appendRequestLine(method: "CONNECT", target: authority, to: &output)
      try HTTP1HeadWriter.appendField("Host", authority, to: &output)
      try HTTP1HeadWriter.appendFields(fields, to: &output)
    } catch {
      throw LocalProtocolError(error)
    }
    HTTP1HeadWriter.appendEnd(to: &output)
  }

  /// Takes bytes from the proxy.
  ///
  /// - Throws: what the head of the answer violates. A body that is not legal ends there: the status counts.
  package mutating func receive(_ bytes: UnsafeRawBufferPointer) throws(RemoteProtocolError) -> Answer {
    switch state {
    case .awaitingResponse:
      reader.receive(bytes)
      do throws(RemoteProtocolError) {
        return try nextHead()
      } catch {
        state = .over
        throw error
      }
    case .readingBody(let refusal, let body): return readBody(Array(bytes)[...], refusal, body)
    case .over: return .none
    }
  }

  /// The proxy has ended the transport.
  ///
  /// - Returns: the end of a refusal; ``Answer/none`` after that.
  /// - Throws: that there is no answer.
  package mutating func receiveEndOfStream() throws(RemoteProtocolError) -> Answer {
    defer { state = .over }
    switch state {
    case .awaitingResponse: throw RemoteProtocolError(HTTP1Error.truncatedHead, for: .client)
    case .readingBody(let refusal, _): return .refused(refusal, RejectData(data: Bytes()))
    case .over: return .none
    }
  }

  private mutating func nextHead() throws(RemoteProtocolError) -> Answer {
    while let head = try read() {
      switch head.statusCode {
      case 200..<300:
        // Whatever the fields say of a body, there is none (RFC 9110 §9.3.6).
        state = .over
        return .open(early: reader.takeTrailingBytes())
      case 100..<200:
        informationalCount += 1
        if informationalCount > ClientNegotiation.maxInformationalResponses {
          throw RemoteProtocolError("Bad HTTP message", detail: "too many 1xx responses (RFC 9110 §15.2)")
        }
      default:
        let refusal = RejectConnection(
          statusCode: head.statusCode,
          headers: head.makeHeaders(),
          hasBody: true
        )
        let framing = (try? HTTP1Framing(ofResponse: head)) ?? .none
        let body = HTTP1BodyReader(framing, limits: reader.limits)
        return readBody(reader.takeTrailingBytes()[...], refusal, body)
      }
    }
    return .none
  }

  private mutating func read() throws(RemoteProtocolError) -> HTTP1Head? {
    do throws(HTTP1Error) {
      return try reader.next()
    } catch {
      throw RemoteProtocolError(error, for: .client)
    }
  }

  private mutating func readBody(
    _ bytes: ArraySlice<UInt8>,
    _ refusal: RejectConnection,
    _ body: HTTP1BodyReader
  ) -> Answer {
    var body = body
    var rest = bytes
    var data: [UInt8] = []
    while case .data(let piece) = try? body.next(&rest) { data += piece }
    // A body that is not legal says so again.
    if case .needMoreData = try? body.next(&rest) {
      state = .readingBody(refusal, body)
      return .refused(refusal, RejectData(data: Bytes(data), bodyFinished: false))
    }
    state = .over
    return .refused(refusal, RejectData(data: Bytes(data)))
  }
}
