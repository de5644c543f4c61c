// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import HTTPTypes
public import WSProto

extension Request {
  /// The opening request for `url`: host in IDNA A-labels, port where it isn't the default, path and query.
  ///
  /// Where to connect to is in ``WebSocketURL``, TLS for `wss:` included.
  /// - Throws: `WebSocketURLError`, if a client could not ask for that URL.
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
