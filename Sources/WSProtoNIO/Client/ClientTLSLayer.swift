// SPDX-License-Identifier: Apache-2.0

#if NIO
package import NIOSSL
import WSProto

/// A layer of TLS between a client and who it asks for: the server, or a proxy.
package struct ClientTLSLayer: Sendable {
  let options: WebSocketClientTLS
  let contexts: TLSContexts
  /// Who is asked for.
  let server: URLHost

  /// Whether the certificate must be that server's.
  var isVerified: Bool { !options.isInsecure }

  init(_ options: WebSocketClientTLS, _ contexts: TLSContexts, to host: URLHost) throws(WebSocketClientError)
  {
    self.options = options
    self.contexts = contexts
    server = try options.server(for: host)
  }

  /// A layer by itself; its certificates are read once, however many connections it serves.
  package init(_ options: WebSocketClientTLS, to host: URLHost) throws(WebSocketClientError) {
    try self.init(options, TLSContexts(options), to: host)
  }

  /// Makes what takes long: not on an event loop.
  ///
  /// - Parameter protocols: what is offered by ALPN.
  package func prepare(offering protocols: [String]) throws(WebSocketClientError) {
    _ = try contexts.context(offering: protocols)
  }

  /// - Parameter protocols: what is offered by ALPN.
  package func makeHandler(offering protocols: [String]) throws(WebSocketClientError) -> NIOSSLClientHandler {
    let context = try contexts.context(offering: protocols)
    do {
      // Addresses are not told (RFC 6066 §3).
      return try NIOSSLClientHandler(
        context: context,
        serverHostname: server.address == nil ? server.name : nil
      )
    } catch {
      throw .tlsOptions("the server's name \(quoted(server.name)) cannot be sent: \(error)")
    }
  }

  /// Whether TLS has led to who was asked for: why not, if it hasn't. On the handler's event loop, after its handshake.
  package func failure(of handler: NIOSSLClientHandler) -> WebSocketClientError? {
    guard isVerified else { return nil }
    if let certificate = handler.peerCertificate, ServerIdentity.isProven(by: certificate, server) {
      return nil
    }
    return .certificate("it is not for \(quoted(server.name)) (RFC 9525 §6)")
  }
}
#endif
