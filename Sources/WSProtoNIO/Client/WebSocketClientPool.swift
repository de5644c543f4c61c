// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import Synchronization
import WSProto

/// A pool of HTTP/2 connections that several sockets share. Each socket is one stream (RFC 8441), so that additional
/// sockets need no TCP and TLS handshakes of their own.
///
/// ```swift
/// func follow(_ show: @escaping @Sendable (WebSocketMessage) -> Void) async throws {
///   var options = WebSocketClientOptions()
///   options.http2 = .preferred
///   options.pool = WebSocketClientPool()
///   try await withThrowingTaskGroup { [options] group in
///     for channel in ["prices", "news"] {
///       group.addTask {
///         try await WebSocketClient.connect(to: "wss://example.com/\(channel)", options: options) { socket in
///           for try await message in socket.messages { show(message) }
///         }
///       }
///     }
///     try await group.waitForAll()
///   }
/// }
/// ```
///
/// Sockets share a connection if their URLs have the same scheme, host and port, and if their options for TLS, the
/// proxy, the head size, the local address and the event loops are equal. If a connection has its maximum number of
/// sockets, another one is opened. A slow socket doesn't hold up the others on its connection.
///
/// The pool remembers servers that support WebSockets over HTTP/1.1 only, and doesn't offer them HTTP/2 again. When its
/// last socket ends, a connection is closed after a while, or at once if the pool is gone by then.
public final class WebSocketClientPool: Sendable {
  private let maxSockets: Int
  private let idleTimeout: Duration
  private let origins = Mutex<[Key: Origin]>([:])

  /// What sockets must have in common to share a connection.
  private struct Key: Hashable {
    let host: URLHost
    let port: Int
    let tls: WebSocketClientTLS?
    let proxy: ProxyAddress?
    let proxyTLS: WebSocketClientTLS?
    let maxHeadBytes: Int
    let eventLoopGroup: ObjectIdentifier
    let unixSocketPath: String?
    let localAddress: SocketAddress?

    init(_ plan: ClientPlan) {
      host = plan.address.host
      port = plan.address.port
      tls = plan.tls?.options
      proxy = plan.proxy
      proxyTLS = plan.proxyTLS?.options
      maxHeadBytes = plan.options.maxHeadBytes
      eventLoopGroup = ObjectIdentifier(plan.eventLoopGroup)
      unixSocketPath = plan.unixSocketPath
      localAddress = plan.localAddress
    }
  }

  private struct Origin {
    var connections: [HTTP2ClientConnection] = []
    /// Set while a task opens a connection and others wait for it.
    var connecting: Promised<Void>?
    /// Whether the server doesn't support HTTP/2, or WebSockets on it.
    var isHTTP1Only = false

    var isOfUse: Bool { isHTTP1Only || connecting != nil || !connections.isEmpty }
  }

  /// The maximum number of remembered origins, so that a server's redirects can't add any number.
  private static let maxOrigins = 1000

  /// Creates an empty pool.
  ///
  /// - Parameters:
  ///   - maxSocketsPerConnection: the maximum number of sockets on one connection; fewer if the server says so. Default
  ///     100. Sockets on one connection share its event loop, and a lost packet holds up all of them.
  ///   - idleTimeout: how long a connection without a socket is kept. Default 30 s.
  public init(maxSocketsPerConnection: Int = 100, idleTimeout: Duration = .seconds(30)) {
    maxSockets = max(1, maxSocketsPerConnection)
    self.idleTimeout = idleTimeout
  }

  deinit {
    let connections = origins.withLock { $0.values.flatMap { $0.connections } }
    for connection in connections { connection.keepIdle(.zero) }
  }

  /// The number of connections that may accept more sockets.
  public var connectionCount: Int {
    origins.withLock { $0.values.reduce(0) { $0 + $1.connections.count { $0.isUsable } } }
  }

  // MARK: Opening

  private enum Step {
    /// A place on this connection is reserved.
    case open(HTTP2ClientConnection)
    /// Another task is opening a connection.
    case wait(Promised<Void>)
    /// This task must open a connection.
    case connect(Promised<Void>)
    case http1
    case done(WebSocket)
  }

  /// Opens a WebSocket over HTTP/2, or over HTTP/1.1 if the plan lets the server choose.
  func open(_ plan: ClientPlan) async throws -> WebSocket {
    let key = Key(plan)
    var attemptsLeft = 3
    var step = next(key, plan)
    while true {
      switch step {
      case .done(let socket): return socket
      case .http1: return try await ClientAttempt.byHTTP1(plan)
      case .wait(let connecting):
        try await wait(connecting, plan)
        step = next(key, plan)
      case .connect(let connecting): step = try await connect(plan, key, connecting)
      case .open(let connection):
        do {
          return try await connection.open(plan)
        } catch let error as HTTP2StreamUnprocessed {
          connection.retire()
          attemptsLeft -= 1
          if attemptsLeft == 0 { throw error.meaning }
          step = next(key, plan)
        } catch WebSocketClientError.http2Unavailable(let shortfall) {
          guard plan.versions == .http1And2 else { throw WebSocketClientError.http2Unavailable(shortfall) }
          step = .http1
        }
      }
    }
  }

  private func next(_ key: Key, _ plan: ClientPlan) -> Step {
    origins.withLock { origins in
      var origin = origins[key] ?? Origin()
      defer { origins[key] = origin }
      if origin.isHTTP1Only, plan.versions == .http1And2 { return .http1 }
      origin.connections.removeAll { !$0.isUsable }
      if let connection = origin.connections.first(where: { $0.reserve(atMost: maxSockets) }) {
        return .open(connection)
      }
      if let connecting = origin.connecting { return .wait(connecting) }
      if origins.count >= Self.maxOrigins { Self.forget(&origins) }
      let connecting = Promised<Void>()
      origin.connecting = connecting
      return .connect(connecting)
    }
  }

  private static func forget(_ origins: inout [Key: Origin]) {
    for (key, origin) in origins {
      var origin = origin
      origin.connections.removeAll { !$0.isUsable }
      origin.isHTTP1Only = false
      origins[key] = origin.isOfUse ? origin : nil
    }
  }

  /// Waits for a connection that another task opens.
  ///
  /// - Throws: the other task's error, if this task would have failed in the same way.
  private func wait(_ connecting: Promised<Void>, _ plan: ClientPlan) async throws {
    do {
      try await connecting.value()
    } catch WebSocketClientError.http2Unavailable where plan.versions == .http1And2 {
      // Unlike this task, the other one required HTTP/2.
    } catch let error as WebSocketClientError {
      if error.isOfConnection { throw error }
    } catch {
      // The other task may have been cancelled.
      try Task.checkCancellation()
    }
  }

  /// Opens a connection, and returns the next step.
  private func connect(
    _ plan: ClientPlan,
    _ key: Key,
    _ connecting: Promised<Void>
  ) async throws -> Step {
    var plan = plan
    plan.onHTTP1 = { [weak self] in self?.connected(key, connecting, .success(nil)) }
    do {
      switch try await ClientAttempt(plan).run() {
      case .socket(let socket): return .done(socket)
      case .http2(let connection):
        do {
          guard try await connection.takesExtendedConnect() else {
            throw WebSocketClientError.http2Unavailable(.noExtendedConnect)
          }
        } catch {
          connection.close()
          throw error
        }
        // Before other tasks take all places.
        let hasPlace = connection.reserve(atMost: maxSockets)
        connection.keepIdle(idleTimeout)
        connected(key, connecting, .success(connection))
        // A server that allows no streams at the moment may allow some later.
        guard hasPlace else { throw WebSocketClientError.streamReset(code: 7) }
        return .open(connection)
      }
    } catch WebSocketClientError.http2Unavailable where plan.versions == .http1And2 {
      connected(key, connecting, .success(nil))
      return .http1
    } catch {
      connected(key, connecting, .failure(error))
      throw error
    }
  }

  /// Records the new connection, or that the server only supports HTTP/1.1, and wakes the waiting tasks.
  private func connected(
    _ key: Key,
    _ connecting: Promised<Void>,
    _ result: Result<HTTP2ClientConnection?, any Error>
  ) {
    origins.withLock { origins in
      guard var origin = origins[key], origin.connecting === connecting else { return }
      origin.connecting = nil
      switch result {
      case .success(nil): origin.isHTTP1Only = true
      case .success(let connection?): origin.connections.append(connection)
      case .failure: break
      }
      origins[key] = origin.isOfUse ? origin : nil
    }
    connecting.resume(with: result.map { _ in })
  }
}

extension HTTP2StreamUnprocessed {
  /// The error if no further attempt is made.
  fileprivate var meaning: WebSocketClientError {
    switch self {
    case .refused: .streamReset(code: 7)
    case .connectionGone: .disconnected(.handshake, nil)
    }
  }
}
#endif
