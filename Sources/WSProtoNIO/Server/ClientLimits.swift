// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import WSProto

/// Limits what each client may use: its number of connections, and the rate of its handshakes.
///
/// A client is an IPv4 address or an IPv6 /64 network, since whoever has one address of such a network has all of them.
/// Peers without an IP address, on Unix domain sockets, aren't limited.
final class ClientLimits: Sendable {
  private struct Client {
    var connections = 0
    var handshakes: RateMeter?
    /// When the last handshake was let through.
    var lastHandshake: Duration?
  }

  private struct State {
    var clients: [IPNetwork: Client] = [:]
    /// The number of entries at which stale ones are removed.
    var sweepAt = ClientLimits.fewClients
  }

  private static let fewClients = 1024

  private let maxConnections: Int
  private let handshakes: RateLimit.Rate?
  private let state = Mutex(State())

  /// Returns `nil` if nothing is limited.
  init?(_ limits: WebSocketServerLimits) {
    guard limits.maxConnectionsPerClient != nil || limits.handshakesPerClient != nil else { return nil }
    maxConnections = max(0, limits.maxConnectionsPerClient ?? .max)
    handshakes = limits.handshakesPerClient
  }

  /// The number of clients with an entry.
  var count: Int { state.withLock { $0.clients.count } }

  private static func client(_ address: SocketAddress?) -> IPNetwork? {
    address.flatMap { IPAddress($0) }.map { address in
      IPNetwork(containing: address.unmapped, prefixLength: 64)
    }
  }

  /// Takes a place for a connection. Returns false if the client has none left.
  func takePlace(_ address: SocketAddress?) -> Bool {
    guard let client = Self.client(address) else { return true }
    return state.withLock { state in
      guard state.clients[client]?.connections ?? 0 < maxConnections else { return false }
      state.clients[client, default: Client()].connections += 1
      return true
    }
  }

  /// Gives a place back.
  func givePlace(_ address: SocketAddress?) {
    guard let client = Self.client(address) else { return }
    state.withLock { state in
      guard var known = state.clients[client] else { return }
      known.connections -= 1
      state.clients[client] = known.connections > 0 || known.lastHandshake != nil ? known : nil
    }
  }

  /// Whether a client may request a WebSocket now. A refused request doesn't count.
  ///
  /// - Parameter now: the time since any fixed moment.
  /// - Returns: zero, or how long the client has to wait.
  func waitForHandshake(_ address: SocketAddress?, at now: Duration) -> Duration {
    guard let handshakes, let client = Self.client(address) else { return .zero }
    return state.withLock { state in
      if state.clients.count >= state.sweepAt { sweep(&state, at: now, handshakes) }
      var known = state.clients[client] ?? Client()
      var meter = known.handshakes ?? RateMeter(RateLimit(messages: handshakes))
      let wait = meter.receivedMessage(bytes: 0, at: now)
      guard wait == .zero else { return wait }
      known.handshakes = meter
      known.lastHandshake = now
      state.clients[client] = known
      return .zero
    }
  }

  /// Drops the handshake records of clients whose allowance is full again, and the clients that have no connection.
  private func sweep(_ state: inout State, at now: Duration, _ rate: RateLimit.Rate) {
    let memory = Duration.seconds(rate.burst) / rate.perSecond + .seconds(1)
    for (client, known) in state.clients where (known.lastHandshake ?? now) + memory < now {
      state.clients[client]?.handshakes = nil
      state.clients[client]?.lastHandshake = nil
      if known.connections == 0 { state.clients[client] = nil }
    }
    state.sweepAt = max(Self.fewClients, state.clients.count * 2)
  }
}
#endif
