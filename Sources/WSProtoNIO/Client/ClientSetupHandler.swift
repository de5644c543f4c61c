// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOSSL
import NIOTLS
import WSProto

/// Takes a channel from its open transport to an open WebSocket: the proxy's handshake, TLS, and the opening handshake
/// over HTTP/1.1 (RFC 6455 §4.1). If HTTP/2 is negotiated, it opens an HTTP/2 connection instead. Then it removes
/// itself from the pipeline.
///
/// The handler is the last one in the pipeline; TLS handlers are added before it. A single deadline covers all of it,
/// and no input from the peer postpones it.
final class ClientSetupHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  fileprivate enum Stage {
    /// The transport isn't open, or another one connected first.
    case idle
    case proxyTLS
    case tunnel(HTTP1Tunnel)
    case socks(SOCKS5Handshake, unread: ByteBuffer)
    case tls
    case handshake(H11Handshake)
    case over
  }

  private let plan: ClientPlan
  private let complete: (Result<ClientTransport, any Error>) -> Void
  private var stage = Stage.idle
  /// The refusal, while its body is being read.
  private var refusal: HTTPRefusal?
  /// The newest layer of TLS.
  private var tls: (handler: NIOSSLClientHandler, layer: ClientTLSLayer)?
  private var deadline: Scheduled<Void>?
  private var context: ChannelHandlerContext?

  /// - Parameter complete: called once on the event loop with the result or a ``WebSocketClientError``.
  init(_ plan: ClientPlan, complete: @escaping (Result<ClientTransport, any Error>) -> Void) {
    self.plan = plan
    self.complete = complete
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  /// Begins when this transport is open and was chosen.
  func begin() {
    guard let context, case .idle = stage else { return }
    if let limit = plan.options.timeouts.opening {
      deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(clamped: limit)) {
        self.deadlinePassed(limit)
      }
    }
    if let tls = plan.proxyTLS { addTLS(tls, .proxyTLS) } else { askProxy() }
  }

  // MARK: Stages

  private func askProxy() {
    guard let proxy = plan.proxy else { return startTLS() }
    switch proxy.kind {
    case .http, .https:
      var fields = HTTPFields()
      fields[.proxyAuthorization] = proxy.credentials?.authorization
      var bytes: [UInt8] = []
      do throws(LocalProtocolError) {
        try HTTP1Tunnel.appendRequest(to: plan.address.authority, fields, to: &bytes)
      } catch {
        return fail(.request(error))
      }
      stage = .tunnel(HTTP1Tunnel(limits: plan.options.configuration.limits))
      write(ByteBuffer(bytes: bytes))
    case .socks5:
      do throws(SOCKS5Failure) {
        let handshake = try SOCKS5Handshake(
          host: plan.address.host,
          port: plan.address.port,
          credentials: proxy.credentials
        )
        stage = .socks(handshake, unread: ByteBuffer())
        write(handshake.greeting)
      } catch {
        fail(.socksRefused(proxy, error))
      }
    }
  }

  private func startTLS() {
    if let tls = plan.tls { return addTLS(tls, .tls) }
    // Without TLS there is no negotiation: HTTP/2 is used by prior knowledge (RFC 9113 §3.3).
    if plan.versions == .http2 { startHTTP2() } else { sendRequest() }
  }

  private func addTLS(_ tls: ClientTLSLayer, _ next: Stage) {
    guard let context else { return }
    // Set before the handler is added, since adding it may fail immediately.
    stage = next
    var protocols = ClientPlan.Versions.http1.protocols
    if case .tls = next { protocols = plan.versions.protocols }
    do {
      let handler = try tls.makeHandler(offering: protocols)
      self.tls = (handler, tls)
      try context.pipeline.syncOperations.addHandler(handler, position: .before(self))
    } catch let error as WebSocketClientError {
      fail(error)
    } catch {
      fail(.disconnected(stage.name, "\(error)"))
    }
  }

  /// Whether the certificate belongs to the expected server. Fails the attempt if not.
  private func checkIdentity() -> Bool {
    guard let tls, let failure = tls.layer.failure(of: tls.handler) else { return true }
    fail(failure)
    return false
  }

  /// Continues after the TLS handshake with the protocol that the server chose, if any (RFC 7301 §3.1).
  private func secured(_ agreed: String?) {
    switch (plan.versions, agreed) {
    case (.http1And2, "h2"), (.http2, "h2"): startHTTP2()
    case (.http2, _): fail(.http2Unavailable(.notAgreed))
    case (.http1, _), (.http1And2, _):
      plan.onHTTP1?()
      sendRequest()
    }
  }

  private func startHTTP2() {
    guard let context, end() else { return }
    do {
      let connection = try HTTP2ClientConnection.open(on: context.channel, plan)
      context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      complete(.success(.http2(connection)))
    } catch {
      complete(.failure(error))
      context.close(promise: nil)
    }
  }

  private func sendRequest() {
    let handshake = H11Handshake(.client, configuration: plan.options.configuration)
    stage = .handshake(handshake)
    do throws(LocalProtocolError) {
      write(ByteBuffer(bytes: try handshake.send(plan.request)))
    } catch {
      fail(.request(error))
    }
  }

  private func write(_ bytes: ByteBuffer) {
    context?.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
  }

  // MARK: Input

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let bytes = Self.unwrapInboundIn(data)
    switch stage {
    case .tunnel(let tunnel): receive(bytes, from: tunnel)
    case .socks(let handshake, var unread):
      unread.writeImmutableBuffer(bytes)
      receive(unread, from: handshake)
    case .handshake(let handshake):
      plan.firstBytes?.add(bytes)
      receive(from: handshake) { () throws(ProtocolError) in
        try handshake.receiveData(bytes.readableBytesView)
      }
    // TLS handlers consume the bytes of their stages. In the other stages, the peer must not send any.
    case .idle, .proxyTLS, .tls: fail(.disconnected(stage.name, "bytes came before the client's first"))
    case .over: break
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.handshakeCompleted(let agreed)) = event as? TLSUserEvent {
      switch stage {
      case .proxyTLS: if checkIdentity() { askProxy() }
      case .tls: if checkIdentity() { secured(agreed) }
      case .idle, .tunnel, .socks, .handshake, .over: break
      }
    }
    context.fireUserInboundEventTriggered(event)
  }

  private func receive(_ bytes: ByteBuffer, from tunnel: HTTP1Tunnel) {
    var tunnel = tunnel
    take(tunnel: { () throws(RemoteProtocolError) in
      try bytes.withUnsafeReadableBytes { (bytes) throws(RemoteProtocolError) in try tunnel.receive(bytes) }
    })
    if case .tunnel = stage { stage = .tunnel(tunnel) }
  }

  private func take(tunnel next: () throws(RemoteProtocolError) -> HTTP1Tunnel.Answer) {
    guard let proxy = plan.proxy else { return }
    do throws(RemoteProtocolError) {
      switch try next() {
      case .none: break
      // The client speaks first, with or without TLS.
      case .open(let early) where !early.isEmpty:
        fail(.proxyProtocol(proxy, RemoteProtocolError("bytes came before the client's first")))
      case .open: startTLS()
      case .refused(let reject, let data):
        if refusal == nil { refusal = HTTPRefusal(reject) }
        if refusal?.append(data) == true { refuse() }
      }
    } catch {
      fail(.proxyProtocol(proxy, error))
    }
  }

  private func receive(_ unread: ByteBuffer, from handshake: SOCKS5Handshake) {
    guard let proxy = plan.proxy else { return }
    var handshake = handshake
    var unread = unread
    do throws(SOCKS5Failure) {
      while true {
        switch try handshake.next(&unread) {
        case .send(let bytes): write(bytes)
        case .needMoreData:
          // The handshake never waits for more than 262 bytes.
          stage = .socks(handshake, unread: unread)
          return
        case .open:
          guard unread.readableBytes == 0 else { throw .earlyBytes }
          return startTLS()
        }
      }
    } catch {
      fail(.socksRefused(proxy, error))
    }
  }

  /// Runs `step` and handles the resulting events.
  private func receive(from handshake: H11Handshake, _ step: () throws(ProtocolError) -> Void) {
    var failure: ProtocolError?
    do throws(ProtocolError) {
      try step()
    } catch {
      failure = error
    }
    while let event = handshake.nextEvent() {
      switch event {
      case .acceptConnection(let accept): return open(accept, handshake)
      case .rejectConnection(let reject): refusal = HTTPRefusal(reject)
      case .rejectData(let data): if refusal?.append(data) == true { return refuse() }
      case .request, .textMessage, .bytesMessage, .closeConnection, .ping, .pong: break
      }
    }
    // The status counts, even if the body is invalid.
    switch failure {
    case nil: break
    case _? where refusal != nil: refuse()
    case .remote(let error): fail(.handshake(error))
    case .local(let error): fail(.request(error))
    }
  }

  // MARK: The end

  private func open(_ accept: AcceptConnection, _ handshake: H11Handshake) {
    guard let context, let connection = handshake.connection, end() else { return }
    let opening = WebSocket.Opening(plan.request, accepted: accept, on: context.channel)
    do {
      let socket = try WebSocket.open(connection, on: context.channel, opening, options: plan.options)
      context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
      complete(.success(.socket(socket)))
    } catch {
      complete(.failure(error))
      context.close(promise: nil)
    }
  }

  /// Fails with the refusal, as complete as it is.
  private func refuse() {
    guard let refusal else { return }
    if case .tunnel = stage, let proxy = plan.proxy {
      fail(.proxyRefused(proxy, refusal))
    } else {
      fail(.refusal(refusal))
    }
  }

  private func fail(_ error: WebSocketClientError) {
    guard end() else { return }
    complete(.failure(error))
    context?.close(promise: nil)
  }

  /// Ends the setup. Returns false if it has ended before.
  private func end() -> Bool {
    if case .over = stage { return false }
    stage = .over
    deadline?.cancel()
    return true
  }

  private func deadlinePassed(_ limit: Duration) {
    // The part of the body received so far is enough.
    if refusal != nil { refuse() } else { fail(.timedOut(stage.name, limit: limit)) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if refusal != nil { return refuse() }
    switch stage {
    // A transport that wasn't used: the bootstrap reports its failure.
    case .idle: context.fireErrorCaught(error)
    case .tls where plan.versions == .http2 && "\(error)".contains("NO_APPLICATION_PROTOCOL"):
      fail(.http2Unavailable(.notAgreed))
    case .proxyTLS, .tunnel, .socks, .tls, .handshake: fail(WebSocketClientError(error, during: stage.name))
    case .over: break
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    switch stage {
    // An end without an answer is a network failure. The end of the transport may also mark the end of a body.
    case .tunnel(var tunnel) where refusal != nil:
      take(tunnel: { () throws(RemoteProtocolError) in try tunnel.receiveEndOfStream() })
    case .handshake(let handshake) where refusal != nil:
      receive(from: handshake) { () throws(ProtocolError) in try handshake.receiveEndOfStream() }
    case .idle, .proxyTLS, .tunnel, .socks, .tls, .handshake, .over: break
    }
    fail(.disconnected(stage.name, nil))
    context.fireChannelInactive()
  }
}

extension ClientSetupHandler.Stage {
  fileprivate var name: WebSocketClientError.Stage {
    switch self {
    case .idle: .connecting
    case .proxyTLS, .tunnel, .socks: .proxy
    case .tls: .tls
    case .handshake, .over: .handshake
    }
  }
}

@available(*, unavailable)
extension ClientSetupHandler: Sendable {}
#endif
