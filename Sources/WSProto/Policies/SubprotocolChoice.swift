// SPDX-License-Identifier: Apache-2.0

extension Request {
  /// The subprotocol to accept this request with: one that the client requests and the server supports
  /// (RFC 6455 §1.9, §4.2.2). Assign it to ``AcceptConnection/subprotocol``.
  ///
  /// - Parameters:
  ///   - supported: the server's subprotocols, in order of preference.
  ///   - role: whose order of preference decides.
  /// - Returns: `nil` if they have none in common. Whether to accept then is the server's choice; a browser
  ///   that requested one fails the connection if the answer has none.
  public func subprotocol(from supported: [String], preferring role: ConnectionType = .server) -> String? {
    // Names are compared exactly: they are tokens and case-sensitive.
    switch role {
    case .server: supported.first { subprotocols.contains($0) }
    case .client: subprotocols.first { supported.contains($0) }
    }
  }
}
