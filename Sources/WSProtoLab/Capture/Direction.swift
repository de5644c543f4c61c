// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Who has sent something.
public enum Direction: String, Sendable, Hashable {
  /// From the client to the server.
  case fromClient = "client"
  /// From the server to the client.
  case fromServer = "server"

  init(sender: ConnectionType) { self = sender == .client ? .fromClient : .fromServer }
}
