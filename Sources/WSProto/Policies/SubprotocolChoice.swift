// SPDX-License-Identifier: Apache-2.0

extension Request {
  /// The subprotocol to accept this request with: one that the client asks for and the server speaks (RFC 6455 §1.9,
  /// §4.2.2). Goes into ``AcceptConnection/subprotocol``.
  ///
  /// - Parameters:
  ///   - supported: those that the server speaks, in the order of its preference.
  ///   - role: whose order decides where several fit.
  /// - Returns: `nil` if there is none in common. Whether to accept then is the server's choice; browsers that asked for
  ///   one fail the connection if the answer has none.
  public func subprotocol(from supported: [String], preferring role: ConnectionType = .server) -> String? {
    // Names are compared as they are: they are tokens, and case counts.
    switch role {
    case .server: supported.first { subprotocols.contains($0) }
    case .client: subprotocols.first { supported.contains($0) }
    }
  }
}
