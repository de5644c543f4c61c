// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import HTTPTypes
public import WSProto

extension Request {
  /// The opening request for `url`: the host in IDNA A-labels, the port if it isn't the default, path and
  /// query.
  ///
  /// ``WebSocketURL`` says where to connect, and whether to use TLS.
  /// - Throws: `WebSocketURLError` if a client can't request this URL.
  public init(
    url: URL,
    extensions: [any Extension] = [],
    extraHeaders: Headers = Headers(),
    subprotocols: [String] = []
  ) throws(WebSocketURLError) {
    let parts = try WebSocketURL(url)
    self.init(
      host: parts.hostField,
      target: parts.target,
      extensions: extensions,
      extraHeaders: extraHeaders,
      subprotocols: subprotocols
    )
  }
}
