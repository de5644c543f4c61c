// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

// The client's side (RFC 6455 §4.1).
extension H11Handshake {
  /// How many 1xx responses may come before the final one. Servers in use send two at most: 100 and 103.
  static let maxInformationalResponses = 16

  func initiate(_ request: Request, into output: inout [UInt8]) throws(LocalProtocolError) {
    var next = machine
    try next.apply(.sendRequest)
    try Self.check(request)
    let nonce = nonce()
    var offers: [UInt8] = []
    for one in request.extensions {
      for parameters in one.offers() {
        if !offers.isEmpty { offers += [HTTP1Bytes.comma, HTTP1Bytes.space] }
        ExtensionHeader(name: one.name, parameters: parameters).append(to: &offers)
      }
    }
    try writing { () throws(HTTP1WriteError) in
      try HTTP1HeadWriter.appendRequestLine(target: request.target, to: &output)
      try HTTP1HeadWriter.appendField("Host", request.host, to: &output)
      HTTP1HeadWriter.append("Upgrade: websocket\r\nConnection: Upgrade\r\n", to: &output)
      HTTP1HeadWriter.append("Sec-WebSocket-Key: ", to: &output)
      nonce.span.withUnsafeBufferPointer { output.append(contentsOf: $0) }
      HTTP1HeadWriter.append("\r\nSec-WebSocket-Version: 13\r\n", to: &output)
      if !request.subprotocols.isEmpty {
        try HTTP1HeadWriter.appendField(
          "Sec-WebSocket-Protocol",
          request.subprotocols.joined(separator: ", "),
          to: &output
        )
      }
      if !offers.isEmpty {
        try HTTP1HeadWriter.appendField(
          "Sec-WebSocket-Extensions",
          offers.span,
          to: &output
        )
      }
      try HTTP1HeadWriter.appendFields(request.extraHeaders, to: &output)
      HTTP1HeadWriter.appendEnd(to: &output)
    }
    expectedAccept = []
    expectedAccept.reserveCapacity(28)
    appendAcceptToken(key: nonce.span, to: &expectedAccept)
    self.request = request
    machine = next
  }

  private func nonce() -> InlineArray<24, UInt8> {
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    var span = bytes.mutableSpan
    span.withUnsafeMutableBytes { configuration.randomSource.fill($0) }
    return nonceCharacters(from: bytes)
  }

  private static func check(_ request: Request) throws(LocalProtocolError) {
    guard !request.host.isEmpty, request.host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw LocalProtocolError(
        "the host \(request.host.debugDescription) is not ASCII: convert it to IDNA A-labels (RFC 5890) first",
        .head
      )
    }
    guard !request.target.utf8.contains(UInt8(ascii: "#")) else {
      throw LocalProtocolError("a target has no fragment (RFC 6455 §3)", .head)
    }
    try checkExtraHeaders(request.extraHeaders)
    guard request.subprotocols.allSatisfy(\.isHTTPToken),
      request.subprotocols.count < 2 || Set(request.subprotocols).count == request.subprotocols.count
    else {
      throw LocalProtocolError("subprotocols are tokens, each once (RFC 6455 §4.1)", .subprotocol)
    }
  }

  func receiveResponse(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    if machine.state == .readingRejection { return try receiveBody(Array(data)[...]) }
    reader.receive(data)
    while machine.state == .awaitingResponse {
      let head: HTTP1Head
      do throws(HTTP1Error) {
        guard let complete = try reader.next() else { return }
        head = complete
      } catch {
        throw fail(error)
      }
      switch head.statusCode {
      case 101:
        do throws(RemoteProtocolError) {
          try establish(head)
        } catch {
          throw fail(error)
        }
      case 100..<200:
        // RFC 9110 §15.2: other informational responses come before the final one. Not without end.
        informationalCount += 1
        if informationalCount > Self.maxInformationalResponses {
          throw fail(
            RemoteProtocolError("Bad HTTP message", detail: "too many 1xx responses (RFC 9110 §15.2)")
          )
        }
      default:
        try advance { (machine) throws(LocalProtocolError) in try machine.apply(.receiveReject) }
        queue.append(
          .rejectConnection(
            RejectConnection(statusCode: head.statusCode, headers: head.makeHeaders(), hasBody: true)
          )
        )
        let limits = HTTP1Limits(
          maxHeadBytes: configuration.limits.maxHeadBytes,
          maxFieldCount: configuration.limits.maxHeadFields
        )
        bodyReader = HTTP1BodyReader(HTTP1Framing(ofResponse: head), limits: limits)
        try receiveBody(reader.takeTrailingBytes()[...])
      }
    }
  }

  private func advance(
    _ step: (inout ConnectionStateMachine) throws(LocalProtocolError) -> Void
  ) throws(ProtocolError) {
    do throws(LocalProtocolError) {
      try step(&machine)
    } catch {
      throw .local(error)
    }
  }

  /// The body of a rejection.
  private func receiveBody(_ bytes: ArraySlice<UInt8>) throws(ProtocolError) {
    var rest = bytes
    do throws(HTTP1Error) {
      while true {
        switch try bodyReader?.next(&rest) {
        case .data(let data): queue.append(.rejectData(RejectData(data: Bytes(data), bodyFinished: false)))
        case .needMoreData: return
        case .finished, nil:
          queue.append(.rejectData(RejectData(data: Bytes(), bodyFinished: true)))
          machine.applyIfLegal(.receiveRejectEnd)
          return
        }
      }
    } catch {
      throw fail(error)
    }
  }

  /// The requirements of RFC 6455 §4.1 on the response, one by one.
  private func establish(_ head: HTTP1Head) throws(RemoteProtocolError) {
    guard let request else { return }
    // A server of HTTP/1.0 knows no Upgrade; what it says of one is not its own (RFC 9110 §7.8, §15.2).
    guard head.minorVersion >= 1 else {
      throw RemoteProtocolError("Bad HTTP message", detail: "101 in HTTP/1.0 (RFC 9110 §15.2)")
    }
    guard head.contains(.connection, element: "upgrade") else {
      throw RemoteProtocolError("Missing header, 'Connection: Upgrade'", detail: "RFC 6455 §4.1")
    }
    guard let upgrade = head.first(.upgrade), !head.repeated.contains(.upgrade),
      head.value(of: upgrade, equals: "websocket")
    else {
      throw RemoteProtocolError("Missing header, 'Upgrade: WebSocket'", detail: "RFC 6455 §4.1")
    }
    guard let accept = head.first(.secWebSocketAccept), !head.repeated.contains(.secWebSocketAccept),
      head.valueBytes(of: accept).elementsEqual(expectedAccept)
    else {
      throw RemoteProtocolError("Bad accept token", detail: "RFC 6455 §4.1")
    }
    var subprotocol: String?
    if let field = head.first(.secWebSocketProtocol) {
      let chosen = head.value(of: field)
      guard !head.repeated.contains(.secWebSocketProtocol), request.subprotocols.contains(chosen) else {
        throw RemoteProtocolError("unrecognized subprotocol \(chosen)", detail: "RFC 6455 §4.1")
      }
      subprotocol = chosen
    }
    var answers: [ExtensionHeader] = []
    for field in head.fields where field.id == .secWebSocketExtensions {
      do throws(ExtensionHeaderError) {
        answers += try ExtensionHeader.parseList(head.valueBytes(of: field))
      } catch {
        throw RemoteProtocolError(
          "Bad header, 'Sec-WebSocket-Extensions'",
          detail: "\(error) (RFC 6455 §9.1)"
        )
      }
    }
    let extensions = try clientExtensionsHandshake(answers, request.extensions)
    do throws(LocalProtocolError) {
      try machine.apply(.receiveAccept)
    } catch {
      throw RemoteProtocolError(error.message)
    }
    connection = Connection(
      .client,
      extensions: extensions,
      trailingData: Bytes(reader.takeTrailingBytes()),
      configuration: configuration
    )
    queue.append(
      .acceptConnection(
        AcceptConnection(
          ReceivedHead(
            head,
            excluding: [
              HTTP1FieldSet(.connection), HTTP1FieldSet(.upgrade), HTTP1FieldSet(.secWebSocketAccept),
              HTTP1FieldSet(.secWebSocketExtensions), HTTP1FieldSet(.secWebSocketProtocol),
            ]
          ),
          subprotocol: subprotocol,
          extensions: extensions
        )
      )
    )
  }
}

/// A value for `Sec-WebSocket-Key`: 16 bytes of the system's randomness in Base64 (RFC 6455 §4.1).
public func generateNonce() -> String {
  var bytes = InlineArray<16, UInt8>(repeating: 0)
  var span = bytes.mutableSpan
  span.withUnsafeMutableBytes { RandomSource.system.fill($0) }
  return makeNonce(from: bytes)
}
