// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

// The server's side (RFC 6455 §4.2).
extension H11Handshake {
  func startFromRequest(_ headers: Headers, _ path: String, _ phase: inout Phase) throws(ProtocolError) {
    guard case .awaitingRequest = phase, !reader.isInsideHead else {
      throw .local(LocalProtocolError("a request was received before", .state(state)))
    }
    let head = RequestHead(
      method: HeadPart("GET"),
      target: HeadPart(path),
      fields: HandshakeFields(headers)
    )
    try decide(on: head, .fields(headers), &phase)
  }

  func receiveRequest(_ data: UnsafeRawBufferPointer, _ phase: inout Phase) throws(ProtocolError) {
    reader.receive(data)
    guard let head = try nextHead(&phase, orEnd: .awaitingRejection(nil)) else { return }
    let request = RequestHead(method: head.method, target: head.target, fields: HandshakeFields(head))
    try decide(on: request, .head(head), &phase)
  }

  private func decide(
    on request: RequestHead,
    _ source: ReceivedHead.Source,
    _ phase: inout Phase
  ) throws(ProtocolError) {
    do throws(HandshakeFault) {
      let received = ReceivedHead(try request.readUpgrade(), source)
      deliver(.request(Request(received)))
      phase = .awaitingDecision(received)
    } catch {
      over(&phase, .awaitingRejection(nil))
      throw .remote(RemoteProtocolError(error, for: .server))
    }
  }

  /// Keeps bytes that arrive before the decision for the connection. The limit is compared with what had
  /// accumulated before this call, so the outcome depends on how late the caller decides, not on how the
  /// bytes were split.
  func receiveEarly(_ data: UnsafeRawBufferPointer, _ phase: inout Phase) throws(ProtocolError) {
    if data.isEmpty { return }
    if reader.bufferedCount > configuration.limits.maxEarlyBytes {
      over(&phase, .awaitingRejection(nil))
      let fault = HandshakeFault("too many bytes before the handshake was answered", nil)
      throw .remote(RemoteProtocolError(fault, for: .server))
    }
    reader.receive(data)
  }

  /// Accepts the request (RFC 6455 §4.2.2).
  func sendAccept(
    _ event: AcceptConnection,
    _ phase: inout Phase,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try ConnectionStateMachine(state: phase.state).check(.sendAccept)
    guard case .awaitingDecision(let request) = phase else { return }
    let acceptance = try Acceptance.make(event, of: request)
    do throws(HTTP1WriteError) {
      try HTTP1HeadWriter.appendAcceptance(acceptance, to: &output)
    } catch {
      throw LocalProtocolError(error)
    }
    phase = .established(makeConnection(acceptance.extensions))
  }

  /// Refuses the handshake; the connection ends with the response (RFC 9112 §9.6).
  func sendReject(
    _ event: RejectConnection,
    _ phase: inout Phase,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try ConnectionStateMachine(state: phase.state).check(event.hasBody ? .sendRejectHead : .sendReject)
    var headers = try event.fields(inUpgrade: true)
    headers.addConnectionOption("close")
    var next = Phase.closed
    do throws(HTTP1WriteError) {
      let (framing, addsCoding) = try HTTP1BodyWriter.framing(status: event.statusCode, headers: headers)
      if addsCoding { headers[.transferEncoding] = "chunked" }
      try HTTP1HeadWriter.appendStatusLine(event.statusCode, to: &output)
      try HTTP1HeadWriter.appendFields(headers, to: &output)
      HTTP1HeadWriter.appendEnd(to: &output)
      if event.hasBody { next = .sendingRejection(HTTP1BodyWriter(framing)) }
    } catch {
      throw LocalProtocolError(error)
    }
    phase = next
  }

  func sendRejectData(
    _ event: RejectData,
    _ phase: inout Phase,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try ConnectionStateMachine(state: phase.state).check(
      event.bodyFinished ? .sendRejectEnd : .sendRejectData
    )
    guard case .sendingRejection(var writer) = phase else { return }
    do throws(HTTP1WriteError) {
      try writer.append(event.data, finished: event.bodyFinished, to: &output)
    } catch {
      throw LocalProtocolError(error)
    }
    phase = event.bodyFinished ? .closed : .sendingRejection(writer)
  }
}

extension LocalProtocolError {
  /// What the writer refuses is a mistake of the caller.
  init(_ error: HTTP1WriteError) {
    switch error {
    case .bodyNotAllowed, .bodyTooLong, .bodyTooShort, .bodyAlreadyFinished, .invalidContentLength,
      .unsupportedTransferCoding, .contentLengthWithTransferEncoding:
      self.init(error.description, .bodyFraming)
    case .invalidMethod, .invalidTarget, .invalidStatusCode, .invalidReasonPhrase, .invalidFieldName,
      .invalidFieldValue:
      self.init(error.description, .head)
    }
  }
}

extension HTTP1HeadWriter {
  /// Appends a 101 response.
  fileprivate static func appendAcceptance(
    _ acceptance: Acceptance,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    if let key = acceptance.key { appendSwitchingProtocols(key: key.span, to: &out) }
    if let subprotocol = acceptance.subprotocol {
      try appendField("Sec-WebSocket-Protocol", subprotocol, to: &out)
    }
    if !acceptance.extensionsValue.isEmpty {
      try appendField("Sec-WebSocket-Extensions", acceptance.extensionsValue.span, to: &out)
    }
    try appendFields(acceptance.fields, to: &out)
    appendEnd(to: &out)
  }

  /// Appends the constant part of a 101 response and the accept token for `key` (RFC 6455 §4.2.2 item 5). The
  /// caller then appends more fields or the end.
  static func appendSwitchingProtocols(key: Span<UInt8>, to out: inout [UInt8]) {
    append(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
      to: &out
    )
    appendAcceptToken(key: key, to: &out)
    appendLineEnd(to: &out)
  }
}
