// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import WSProto

/// A handshake that a server has accepted: the response to send, then the connection to open.
struct ServerOpening {
  let response: HTTPResponse
  private let request: Request
  private let subprotocol: String?
  private let extensions: [any Extension]

  /// - Throws: `LocalProtocolError` if the request can't be accepted so.
  init(
    _ negotiation: ServerNegotiation,
    _ subprotocol: String?,
    _ fields: HTTPFields,
    _ responder: any HandshakeResponder
  ) throws(LocalProtocolError) {
    var extensions: [any Extension] = []
    if let compression = responder.socketOptions.compression {
      extensions = [try compression.makeExtension()]
    }
    let accept = AcceptConnection(subprotocol: subprotocol, extensions: extensions, extraHeaders: fields)
    let (response, connection) = try negotiation.accept(accept)
    self.response = response
    request = negotiation.request
    self.subprotocol = subprotocol
    self.extensions = connection.extensions
  }

  /// Puts the connection into the channel's pipeline, when the response was written.
  func open(
    on channel: any Channel,
    _ trailingData: Bytes,
    _ remoteAddress: SocketAddress?,
    _ responder: any HandshakeResponder
  ) throws -> WebSocket {
    let options = responder.socketOptions
    let connection = Connection(
      .server,
      extensions: extensions,
      trailingData: trailingData,
      configuration: options.configuration,
      deflatePool: responder.deflatePool(on: channel.eventLoop)
    )
    let opening = WebSocket.Opening(
      request: request,
      response: nil,
      subprotocol: subprotocol,
      remoteAddress: remoteAddress
    )
    return try WebSocket.open(connection, on: channel, opening, options: options, budget: responder.budget)
  }
}
#endif
