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
