// SPDX-License-Identifier: Apache-2.0

/// The role of this end of a WebSocket connection (RFC 6455 §1.2).
///
/// The role decides who masks (clients always, servers never, §5.1) and who opens the handshake.
public enum ConnectionType: Int, Sendable, Hashable, CaseIterable {
  /// This end opens the connection and masks what it sends.
  case client = 1
  /// This end waits for a client and expects masked frames.
  case server = 2
}
/// Where a connection is in its life (RFC 6455 §4, §7). The raw values are wsproto's.
public enum ConnectionState: Int, Sendable, Hashable, CaseIterable {
  /// The opening handshake is under way.
  case connecting = 0
  /// Messages flow both ways.
  case open = 1
  /// A ``CloseConnection`` event was delivered (the peer's Close, or a failure of the peer): send its `response()`.
  case remoteClosing = 2
  /// We have sent a Close; the peer's is awaited, and data may still arrive before it.
  case localClosing = 3
  /// Nothing more is sent or received: close the transport.
  case closed = 4
  /// The handshake was refused and the body of the refusal is under way.
  case rejecting = 5
}
