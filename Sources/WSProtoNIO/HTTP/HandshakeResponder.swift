// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import NIOCore
import WSProto

/// A server's decision on a request for a WebSocket.
public enum WebSocketDecision: Sendable, Hashable {
  /// Opens the connection, with one of the requested subprotocols and additional response fields.
  case accept(subprotocol: String? = nil, headerFields: HTTPFields = HTTPFields())
  /// Refuses the request with this response. The status must be in 200...599 over HTTP/1.1 and in 300...599 over
  /// HTTP/2; otherwise the request is refused with 500.
  case refuse(HTTPServerResponse)

  /// Refuses the request with a status and without a body.
  public static func refuse(_ status: HTTPResponse.Status) -> WebSocketDecision {
    .refuse(HTTPServerResponse(status: status))
  }
}

/// What the HTTP side of a channel asks its server.
protocol HandshakeResponder: AnyObject, Sendable {
  /// The settings of the connections.
  var socketOptions: WebSocketOptions { get }
  /// The maximum size of an ordinary request's body, in bytes.
  var maxBodyBytes: Int { get }
  /// The maximum number of ordinary requests on one HTTP/1.1 connection.
  var maxRequestsPerConnection: Int { get }

  /// How long a WebSocket may last; `nil` for no limit.
  var maxLifetime: Duration? { get }
  /// The memory shared by the incomplete messages of all connections.
  var budget: MemoryBudget? { get }

  /// The client's address for a request with these fields: `peer`, or the address that a trusted proxy reports.
  func client(of peer: SocketAddress?, _ fields: HTTPFields) -> SocketAddress?
  /// Decides on a request for a WebSocket, at once or later. Unless it is refused, it counts as a connection until its
  /// channel closes.
  func decide(_ request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision>
  /// Whether the server has a closure that answers ordinary requests.
  var answersRequests: Bool { get }
  /// The answer to an ordinary request; `nil` if the server doesn't answer them.
  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>?
  /// The compression contexts of this event loop, which must be the current one; `nil` without compression.
  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool?
  /// The traffic sums of this event loop, which must be the current one; `nil` if nobody needs them.
  func traffic(on eventLoop: any EventLoop) -> Traffic?
  /// Announces that a response is about to accept a handshake. If this returns false, refuse the handshake with 503. If
  /// it returns true, call ``opened(_:)`` or ``openingFailed()`` next.
  func willOpen() -> Bool
  /// Reports that an announced connection couldn't be opened.
  func openingFailed()
  /// Reports that a connection is open.
  func opened(_ socket: WebSocket)
  /// Reports a connection or request that failed before it became a WebSocket, for logs and metrics.
  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?)
}

extension HandshakeResponder {
  func willOpen() -> Bool { true }
  func openingFailed() {}

  /// The refusal of a request whose `Origin` isn't allowed; `nil` if it is.
  func refusal(of request: Request, by policy: OriginPolicy, from client: SocketAddress?)
    -> HTTPServerResponse?
  {
    do throws(OriginRefusal) {
      try request.checkOrigin(policy)
      return nil
    } catch {
      refused(.origin, error.description, from: client)
      return HTTPServerResponse(status: HTTPResponse.Status(code: error.rejection.statusCode))
    }
  }

  /// The decision of the user's closure on a request. Without a closure, the request is accepted with the first of
  /// `subprotocols` that it asks for.
  ///
  /// - Parameter asked: the value passed to the closure.
  func decision<Asked: Sendable>(
    on request: Request,
    _ subprotocols: [String],
    from client: SocketAddress?,
    by decide: (@Sendable (Asked) async throws -> WebSocketDecision)?,
    _ asked: Asked
  ) -> Eventual<WebSocketDecision> {
    guard let decide else { return .now(.accept(subprotocol: request.subprotocol(from: subprotocols))) }
    return .later {
      do {
        return try await decide(asked)
      } catch {
        self.refused(.decision, "the decision on a request has thrown: \(error)", from: client)
        return .refuse(.internalServerError)
      }
    }
  }

  /// Runs `body`, which sends an accepting response and opens the connection.
  ///
  /// - Returns: false if no more connections are opened and `body` wasn't run.
  func open(_ body: () throws -> WebSocket) throws -> Bool {
    guard willOpen() else { return false }
    do {
      opened(try body())
    } catch {
      openingFailed()
      throw error
    }
    return true
  }
}

/// Where a request for a WebSocket comes from.
struct HandshakeOrigin {
  /// The client.
  let client: SocketAddress?
  /// The peer of the connection: the client or a proxy.
  let peer: SocketAddress?
  /// The channel of the connection or of the stream.
  let channel: any Channel
  /// Whether the request came on an HTTP/2 stream, one of several on a connection.
  let isStream: Bool
}

/// Why something failed before it became a WebSocket. The raw value is the label in metrics and logs.
enum RefusalCause: String, Sendable, CaseIterable {
  /// The transport failed, including TLS.
  case transport
  /// The request is invalid.
  case request
  /// The `Origin` isn't allowed.
  case origin
  /// The server's own closure threw, or its answer can't be sent.
  case decision
  /// The limit on connections is reached.
  case limit
  /// A limit on one client is reached.
  case client
  /// The PROXY protocol header is missing or invalid, or the peer isn't a proxy.
  case proxyProtocol = "proxy_protocol"
  /// The server is shutting down.
  case shutdown
}

/// A value that is available now or later.
enum Eventual<Value: Sendable>: Sendable {
  case now(Value)
  case later(@Sendable () async -> Value)

  /// Calls `body` with the value on the event loop, at once or when the value is available.
  func whenKnown(on eventLoop: any EventLoop, _ body: @escaping (Value) -> Void) {
    switch self {
    case .now(let value): body(value)
    case .later(let make):
      let bound = NIOLoopBound(body, eventLoop: eventLoop)
      Task {
        let value = await make()
        eventLoop.execute { bound.value(value) }
      }
    }
  }
}

/// A connection that isn't a WebSocket (yet): its deadline, and its place among the pending connections.
///
/// Used on its channel's event loop.
final class PendingConnection {
  private let channel: any Channel
  private let limit: TimeAmount?
  private var timer: Scheduled<Void>?
  private var onEnd: (() -> Void)?

  /// Starts the deadline of the opening handshake, which no input postpones.
  ///
  /// - Parameter onEnd: called once, when the connection has become a WebSocket or has ended.
  init(_ channel: any Channel, limit: Duration?, onEnd: @escaping () -> Void) {
    self.channel = channel
    self.limit = limit.map { TimeAmount(clamped: $0) }
    self.onEnd = onEnd
    arm()
    channel.closeFuture.assumeIsolated().whenComplete { _ in self.end() }
  }

  /// Restarts the deadline for the peer's next request.
  func arm() {
    timer?.cancel()
    guard let limit, onEnd != nil else { return }
    let channel = channel
    timer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }

  /// Stops the deadline while this end takes the next step.
  func disarm() {
    timer?.cancel()
    timer = nil
  }

  /// Ends the pending state: the connection has become a WebSocket or has ended.
  func end() {
    disarm()
    onEnd.take()?()
  }
}
#endif
