// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import NIOCore
import WSProto

/// What a server makes of a request for a WebSocket.
public enum WebSocketDecision: Sendable, Hashable {
  /// The connection is opened, with a subprotocol, one of those requested, and further fields of the response.
  case accept(subprotocol: String? = nil, headerFields: HTTPFields = HTTPFields())
  /// The request is refused with this response; its status is not one that accepts.
  case refuse(HTTPServerResponse)

  /// The request is refused with a status and no body.
  public static func refuse(_ status: HTTPResponse.Status) -> WebSocketDecision {
    .refuse(HTTPServerResponse(status: status))
  }
}

/// What the HTTP side of a channel asks its server.
protocol HandshakeResponder: AnyObject, Sendable {
  /// The settings of the connections.
  var socketOptions: WebSocketOptions { get }
  /// The most bytes of an ordinary request's body.
  var maxBodyBytes: Int { get }
  /// The most ordinary requests on one connection of HTTP/1.1.
  var maxRequestsPerConnection: Int { get }

  /// How long a WebSocket may last; `nil` for ever.
  var maxLifetime: Duration? { get }
  /// The memory that all connections share for messages under way.
  var budget: MemoryBudget? { get }

  /// Where the client of a request with these fields is: `peer`, or where a proxy says.
  func client(of peer: SocketAddress?, _ fields: HTTPFields) -> SocketAddress?
  /// What to do with a request for a WebSocket: known at once, or after a while. Where it isn't refused, it counts as a
  /// connection until its channel ends.
  func decide(_ request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision>
  /// Whether ordinary requests are answered by the server's own closure.
  var answersRequests: Bool { get }
  /// The answer to an ordinary request; `nil` where there are no such answers.
  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>?
  /// Contexts of compression on this event loop, which is the current one; `nil` without compression.
  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool?
  /// Where connections on this event loop, which is the current one, count what they carry; `nil` if nobody wants to know.
  func traffic(on eventLoop: any EventLoop) -> Traffic?
  /// A response is about to accept a handshake. False: no more, refuse it with 503. Where it is true, ``opened(_:)`` or
  /// ``openingFailed()`` follows.
  func willOpen() -> Bool
  /// What was about to be opened could not be.
  func openingFailed()
  /// A connection is open.
  func opened(_ socket: WebSocket)
  /// Something came to nothing before it was a WebSocket; for the log and the metrics.
  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?)
}

extension HandshakeResponder {
  func willOpen() -> Bool { true }
  func openingFailed() {}

  /// The refusal of a request whose Origin isn't let in; `nil` if it is.
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

  /// What the user's closure decides on a request; without one, it is accepted with the first of `subprotocols` that it
  /// asks for.
  ///
  /// - Parameter asked: what the closure is given of the request.
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

  /// Runs `body`, which sends a response that accepts and opens the connection.
  ///
  /// - Returns: false if nothing is opened any more, and `body` was not run.
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
  /// The other end of the connection: the client, or a proxy.
  let peer: SocketAddress?
  /// That of the connection, or of the stream.
  let channel: any Channel
  /// A stream of HTTP/2, one of several on a connection.
  let isStream: Bool
}

/// Why something came to nothing before it was a WebSocket: the label in the metrics and in the log.
enum RefusalCause: String, Sendable, CaseIterable {
  /// The transport has failed, TLS included.
  case transport
  /// The request is not legal.
  case request
  /// The Origin is not let in.
  case origin
  /// The server's own decision, or an answer of its own, can't be carried out.
  case decision
  /// The limit on connections.
  case limit
  /// What one client may have.
  case client
  /// The header of the PROXY protocol is missing or wrong, or the peer is no proxy.
  case proxyProtocol = "proxy_protocol"
  /// The server shuts down.
  case shutdown
}

/// A value that is there, or comes after a while.
enum Eventual<Value: Sendable>: Sendable {
  case now(Value)
  case later(@Sendable () async -> Value)

  /// Calls `body` on the event loop with the value: at once, or when it has come.
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

/// A connection that is not a WebSocket, or not yet: its deadline, and its place among those that may be in that state.
///
/// On its channel's event loop.
final class PendingConnection {
  private let channel: any Channel
  private let limit: TimeAmount?
  private var timer: Scheduled<Void>?
  private var onEnd: (() -> Void)?

  /// The transport is open: the deadline of the opening handshake begins, and nothing that comes puts it off.
  ///
  /// - Parameter onEnd: called once, when the connection has become a WebSocket, or has ended.
  init(_ channel: any Channel, limit: Duration?, onEnd: @escaping () -> Void) {
    self.channel = channel
    self.limit = limit.map { TimeAmount(clamped: $0) }
    self.onEnd = onEnd
    arm()
    channel.closeFuture.assumeIsolated().whenComplete { _ in self.end() }
  }

  /// A new request may come, within the deadline.
  func arm() {
    timer?.cancel()
    guard let limit, onEnd != nil else { return }
    let channel = channel
    timer = channel.eventLoop.scheduleTask(in: limit) { channel.close(promise: nil) }
  }

  /// The next step is this end's own: nothing is asked of the peer.
  func disarm() {
    timer?.cancel()
    timer = nil
  }

  /// The connection has become a WebSocket, or has ended.
  func end() {
    disarm()
    onEnd.take()?()
  }
}
#endif
