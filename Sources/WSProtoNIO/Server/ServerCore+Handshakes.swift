// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Logging
import NIOCore
import Synchronization
import Tracing
import WSProto

// What the HTTP side asks its server: who a client is, what to answer, and what happens to a socket.
extension ServerCore: HandshakeResponder {
  var socketOptions: WebSocketOptions { options.socket }
  var maxBodyBytes: Int { options.limits.maxBodyBytes }
  var maxRequestsPerConnection: Int { options.limits.maxRequestsPerConnection }
  var maxLifetime: Duration? { options.limits.maxLifetime }

  func client(of peer: SocketAddress?, _ fields: HTTPFields) -> SocketAddress? {
    guard let proxies = options.trustedProxies, isProxy(peer) else { return peer }
    return proxies.client(toldIn: fields)?.socketAddress ?? peer
  }

  // MARK: Handshakes

  func decide(_ request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision> {
    let span = HandshakeSpan(options.tracer ?? InstrumentationSystem.tracer, request, origin)
    return decision(on: request, origin).traced(span)
  }

  private func decision(on request: Request, _ origin: HandshakeOrigin) -> Eventual<WebSocketDecision> {
    if let refusal = refusal(of: request, origin) { return .now(.refuse(refusal)) }
    let asked = WebSocketServerRequest(request: request, remoteAddress: origin.client)
    return decision(
      on: request,
      options.subprotocols,
      from: origin.client,
      by: options.decide,
      asked
    )
  }

  /// The answer to a request that the server itself refuses.
  private func refusal(of request: Request, _ origin: HandshakeOrigin) -> HTTPServerResponse? {
    if isShuttingDown {
      refused(.shutdown, "the server shuts down", from: origin.client)
      return HTTPServerResponse(status: .serviceUnavailable)
    }
    let now = Duration.nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    if let wait = clients?.waitForHandshake(origin.client, at: now), wait > .zero {
      refused(.client, "more handshakes a second than a client may have", from: origin.client)
      // Rounded up to whole seconds.
      let seconds = wait.components.seconds + 1
      return HTTPServerResponse(status: .tooManyRequests, headerFields: [.retryAfter: "\(seconds)"])
    }
    return refusal(of: request, by: options.origin, from: origin.client) ?? place(origin)
  }

  /// Takes the places of a WebSocket that weren't taken when its connection was accepted.
  private func place(_ origin: HandshakeOrigin) -> HTTPServerResponse? {
    if origin.isStream {
      guard limits.admitStream() else {
        refused(.limit, "a stream beyond the limit on connections", from: origin.client)
        return HTTPServerResponse(status: .serviceUnavailable)
      }
      origin.channel.closeFuture.whenComplete { [limits] _ in limits.ended() }
    }
    if let clients, origin.isStream || isProxy(origin.peer) {
      guard clients.takePlace(origin.client) else {
        refused(.client, "a connection beyond the limit of a client", from: origin.client)
        return HTTPServerResponse(status: .tooManyRequests)
      }
      origin.channel.closeFuture.whenComplete { [client = origin.client] _ in clients.givePlace(client) }
    }
    return nil
  }

  func refused(_ cause: RefusalCause, _ details: String, from address: SocketAddress?) {
    metrics.refused(cause)
    let peer = address.map { "\($0)" } ?? "unknown"
    logger.debug("refused: \(details)", metadata: ["peer": "\(peer)", "cause": "\(cause.rawValue)"])
  }

  // MARK: Ordinary requests

  var answersRequests: Bool { options.answer != nil }

  func answer(_ request: HTTPServerRequest) -> Eventual<HTTPServerResponse>? {
    guard let answer = options.answer else { return nil }
    return .later {
      do {
        return try await answer(request)
      } catch {
        let peer = request.remoteAddress.map { "\($0)" } ?? "unknown"
        self.logger.error(
          "the closure that answers requests has thrown",
          metadata: ["peer": "\(peer)", "error": "\(error)"]
        )
        return HTTPServerResponse(status: .internalServerError)
      }
    }
  }

  // MARK: Sockets

  func deflatePool(on eventLoop: any EventLoop) -> DeflatePool? {
    options.socket.compression == nil ? nil : loop(eventLoop).pool
  }

  func traffic(on eventLoop: any EventLoop) -> Traffic? { loop(eventLoop).traffic }

  func willOpen() -> Bool {
    state.withLock { state in
      guard !state.isShuttingDown else { return false }
      state.openingCount += 1
      return true
    }
  }

  func openingFailed() {
    let isIdle = state.withLock { state in
      state.openingCount -= 1
      return state.isShuttingDown && state.isIdle
    }
    if isIdle { idle.resume(with: .success(())) }
  }

  func opened(_ socket: WebSocket) {
    let (opened, openCount) = state.withLock { state in
      state.openingCount -= 1
      state.sockets[socket.id] = socket
      return (state.isShuttingDown ? nil : state.opened, state.sockets.count)
    }
    metrics.opened(openCount: openCount)
    logger.debug("opened", metadata: metadata(socket))
    if let maxLifetime { limitLifetime(of: socket, maxLifetime) }
    if case .enqueued = opened?.yield(socket) { return }
    // Accepted at the last moment: the shutdown waits for its end, too.
    Task {
      _ = try? await socket.close(CloseConnection(code: .goingAway), cause: .shutdown)
      forget(socket)
    }
  }

  private func limitLifetime(of socket: WebSocket, _ limit: Duration) {
    let time = TimeAmount(clamped: limit.shortenedAtRandom)
    let end = socket.eventLoop.scheduleTask(in: time) {
      socket.beginClose(CloseConnection(code: .goingAway), cause: .lifetime(limit: limit))
    }
    let isForgotten = state.withLock { state in
      guard state.sockets[socket.id] != nil else { return true }
      state.lifetimes[socket.id] = end
      return false
    }
    if isForgotten { end.cancel() }
  }
}

extension Duration {
  /// The duration, shortened by up to a tenth at random, so that what began together doesn't end together.
  var shortenedAtRandom: Duration { self - self / 10 * Double.random(in: 0...1) }
}
#endif
