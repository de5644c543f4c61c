// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// A WebSocket client (RFC 6455) for `ws:` and `wss:`, with HTTP/1.1 and HTTP/2, redirects, proxies and reconnection.
///
/// ```swift
/// try await WebSocketClient.connect(to: "wss://example.com/feed") { socket in
///   try await socket.send("hello")
///   for try await message in socket.messages { print(message) }
/// }
/// ```
///
/// The closure owns the connection while it runs. When it returns, the connection is closed with 1000, and the client
/// waits for the peer's Close. If it throws, the connection is closed with 1011 and the error is rethrown.
///
/// For a connection that reconnects, see ``reconnecting(to:policy:options:isolation:request:willWait:_:)``.
public enum WebSocketClient {
  /// Opens a connection, runs `body` with it, and closes it.
  ///
  /// - Parameters:
  ///   - url: a URL with the scheme `ws`, `wss`, `http` or `https`; see ``WebSocketAddress``.
  ///   - options: the settings of the connection.
  ///   - isolation: the actor that `body` runs on; by default the caller's.
  ///   - body: uses the connection, which is closed when it returns.
  /// - Returns: the value that `body` returns.
  /// - Throws: ``WebSocketClientError`` if no connection can be opened; the error that `body` throws;
  ///   `CancellationError` if the task is cancelled before the connection is open. If the task is cancelled later, the
  ///   next socket call in `body` that has to wait throws; the connection is then closed with 1001, and the client
  ///   waits at most a second for the peer's Close.
  public static func connect<Value>(
    to url: String,
    options: WebSocketClientOptions = WebSocketClientOptions(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (WebSocket) async throws -> Value
  ) async throws -> Value {
    let socket = try await open(url, options)
    return try await socket.use(body)
  }

  /// Opens a connection, following redirects.
  static func open(_ url: String, _ options: WebSocketClientOptions) async throws -> WebSocket {
    let first: WebSocketAddress
    do throws(InvalidURL) {
      first = try WebSocketAddress(url)
    } catch {
      throw WebSocketClientError.url(error)
    }
    let planner = ClientPlanner(options)
    var asked = [first]
    var address = first
    while true {
      let plan = try planner.plan(for: address, firstAsked: first)
      do {
        return try await open(plan, options.pool)
      } catch WebSocketClientError.refusal(let refusal) {
        guard let next = try redirect(refusal, asked, options.redirects) else {
          throw WebSocketClientError.refusal(refusal)
        }
        options.onRedirect?(next)
        address = next
        asked.append(next)
      }
    }
  }

  private static func open(_ plan: ClientPlan, _ pool: WebSocketClientPool?) async throws -> WebSocket {
    if plan.versions == .http1 { return try await ClientAttempt.byHTTP1(plan) }
    // A pool that nobody keeps closes its connection together with the socket.
    return try await (pool ?? WebSocketClientPool(idleTimeout: .zero)).open(plan)
  }

  private static func redirect(
    _ refusal: HTTPRefusal,
    _ asked: [WebSocketAddress],
    _ policy: RedirectPolicy
  ) throws(WebSocketClientError) -> WebSocketAddress? {
    do throws(RedirectError) {
      return try policy.next(after: asked, status: refusal.status, refusal.fields)
    } catch {
      throw .redirect(error, refusal)
    }
  }
}
#endif
