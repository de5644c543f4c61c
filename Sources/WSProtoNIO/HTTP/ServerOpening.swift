// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import WSProto

/// A handshake that a server has accepted: the response to send and the connection to open.
struct ServerOpening {
  let response: HTTPResponse
  let request: Request
  private let subprotocol: String?
  private let extensions: [any Extension]

  /// - Throws: `LocalProtocolError` if the request can't be accepted like this.
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

  /// Adds the connection to the channel's pipeline after the response was written.
  func open(
    on channel: any Channel,
    _ trailingData: Bytes,
    _ remoteAddress: SocketAddress?,
    _ responder: any HandshakeResponder
  ) throws -> WebSocket {
    let connection = makeConnection(trailingData, on: channel.eventLoop, responder)
    let opening = WebSocket.Opening(
      request: request,
      response: nil,
      subprotocol: subprotocol,
      remoteAddress: remoteAddress
    )
    return try WebSocket.open(
      connection,
      on: channel,
      opening,
      options: responder.socketOptions,
      budget: responder.budget,
      traffic: responder.traffic(on: channel.eventLoop)
    )
  }

  /// Creates a handler for the connection, instead of a socket, after the response was written.
  func makeHandler(on eventLoop: any EventLoop, _ responder: any HandshakeResponder)
    -> WebSocketChannelHandler
  {
    WebSocketChannelHandler(
      makeConnection(Bytes(), on: eventLoop, responder),
      timeouts: responder.socketOptions.timeouts,
      budget: responder.budget
    )
  }

  private func makeConnection(
    _ trailingData: Bytes,
    on eventLoop: any EventLoop,
    _ responder: any HandshakeResponder
  ) -> Connection {
    Connection(
      .server,
      extensions: extensions,
      trailingData: trailingData,
      configuration: responder.socketOptions.configuration,
      deflatePool: responder.deflatePool(on: eventLoop)
    )
  }
}
#endif
