// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

// The client's side (RFC 6455 §4.1).
extension H11Handshake {
  func sendRequest(
    _ request: Request,
    _ phase: inout Phase,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    try ConnectionStateMachine(state: phase.state).check(.sendRequest)
    let negotiation = try ClientNegotiation(upgrade: request, configuration: configuration)
    do throws(HTTP1WriteError) {
      try HTTP1HeadWriter.appendOpening(negotiation, to: &output)
    } catch {
      throw LocalProtocolError(error)
    }
    phase = .awaitingResponse(negotiation)
  }

  func receiveResponse(
    _ data: UnsafeRawBufferPointer,
    _ negotiation: ClientNegotiation,
    _ phase: inout Phase
  ) throws(ProtocolError) {
    var negotiation = negotiation
    reader.receive(data)
    while let head = try nextHead(&phase, orEnd: .closed) {
      let outcome: ClientNegotiation.Outcome
      do throws(RemoteProtocolError) {
        outcome = try negotiation.receive(
          ResponseHead(
            status: head.statusCode,
            minorVersion: head.minorVersion,
            fields: HandshakeFields(head),
            source: .head(head)
          )
        )
      } catch {
        over(&phase)
        throw .remote(error)
      }
      switch outcome {
      case .informational:
        phase = .awaitingResponse(negotiation)
      case .accepted(let accept):
        deliver(.acceptConnection(accept))
        phase = .established(makeConnection(accept.extensions))
        return
      case .rejected(let reject):
        // The status counts, even if something is wrong with the body.
        deliver(.rejectConnection(reject))
        let framing: HTTP1Framing
        do throws(HTTP1Error) {
          framing = try HTTP1Framing(ofResponse: head)
        } catch {
          over(&phase)
          throw .remote(RemoteProtocolError(error, for: .client))
        }
        let body = HTTP1BodyReader(framing, limits: reader.limits)
        return try receiveBody(reader.takeTrailingBytes()[...], body, &phase)
      }
    }
  }

  /// The body of a rejection.
  func receiveBody(
    _ bytes: ArraySlice<UInt8>,
    _ reader: consuming HTTP1BodyReader,
    _ phase: inout Phase
  ) throws(ProtocolError) {
    phase = .closed
    var rest = bytes
    do throws(HTTP1Error) {
      while true {
        switch try reader.next(&rest) {
        case .data(let data): deliver(RejectData(data: Bytes(data), bodyFinished: false))
        case .needMoreData:
          phase = .readingRejection(reader)
          return
        case .finished:
          return deliver(RejectData(data: Bytes(), bodyFinished: true))
        }
      }
    } catch {
      throw .remote(RemoteProtocolError(error, for: .client))
    }
  }
}

extension HTTP1HeadWriter {
  /// Appends the request of a client.
  fileprivate static func appendOpening(
    _ negotiation: ClientNegotiation,
    to out: inout [UInt8]
  ) throws(HTTP1WriteError) {
    let request = negotiation.request
    try appendRequestLine(target: request.target, to: &out)
    try appendField("Host", request.host, to: &out)
    append("Upgrade: websocket\r\nConnection: Upgrade\r\n", to: &out)
    if case .upgrade(let key) = negotiation.form { try appendField("Sec-WebSocket-Key", key.span, to: &out) }
    append("Sec-WebSocket-Version: 13\r\n", to: &out)
    if !request.subprotocols.isEmpty {
      try appendField("Sec-WebSocket-Protocol", request.subprotocols.joined(separator: ", "), to: &out)
    }
    if !negotiation.offers.isEmpty {
      try appendField("Sec-WebSocket-Extensions", negotiation.offers.span, to: &out)
    }
    try appendFields(negotiation.fields, to: &out)
    appendEnd(to: &out)
  }
}

/// A value for `Sec-WebSocket-Key`: 16 random bytes from the system in Base64 (RFC 6455 §4.1).
public func generateNonce() -> String {
  var bytes = InlineArray<16, UInt8>(repeating: 0)
  var span = bytes.mutableSpan
  span.withUnsafeMutableBytes { RandomSource.system.fill($0) }
  return makeNonce(from: bytes)
}
