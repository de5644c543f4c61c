// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import NIOSSL
import NIOTLS
import WSProto

/// Takes a channel from its open transport to an open WebSocket: the proxy's handshake, TLS, the opening handshake over
/// HTTP/1.1 (RFC 6455 §4.1); or, where HTTP/2 is agreed on, to a connection of HTTP/2. Then it leaves the pipeline.
///
/// It stands at the pipeline's end; layers of TLS are put before it. One deadline holds for all of it, which no byte of
/// the peer's puts off.
final class ClientSetupHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  fileprivate enum Stage {
    /// The transport is not open, or another one was faster.
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
  /// What has refused, while its body is read.
  private var refusal: HTTPRefusal?
  /// The newest layer of TLS.
  private var tls: (handler: NIOSSLClientHandler, layer: ClientPlan.TLS)?
  private var deadline: Scheduled<Void>?
  private var context: ChannelHandlerContext?

  /// - Parameter complete: gets the outcome, or a ``WebSocketClientError``; once, on the event loop.
  init(_ plan: ClientPlan, complete: @escaping (Result<ClientTransport, any Error>) -> Void) {
    self.plan = plan
    self.complete = complete
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

  /// The transport is open, and this one is used.
  func begin() {
    guard let context, case .idle = stage else { return }
    if let limit = plan.options.timeouts.opening {
      deadline = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(clamped: limit)) {
        self.deadlinePassed(limit)
      }
    }
    if let tls = plan.proxyTLS { addTLS(tls, .proxyTLS) } else { askProxy() }
  }

  // MARK: The stages

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
    // Without TLS nothing is agreed on: HTTP/2 is by prior knowledge (RFC 9113 §3.3).
    if plan.versions == .http2 { startHTTP2() } else { sendRequest() }
  }

  private func addTLS(_ tls: ClientPlan.TLS, _ next: Stage) {
    guard let context else { return }
    // Before the handler is there, which may fail at once.
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

  /// Whether TLS has led to who was asked for; fails if not.
  private func checkIdentity() -> Bool {
    guard let tls, tls.layer.isVerified else { return true }
    let server = tls.layer.server
    if let certificate = tls.handler.peerCertificate, ServerIdentity.isProven(by: certificate, server) {
      return true
    }
    fail(.certificate("it is not for \(quoted(server.name)) (RFC 9525 §6)"))
    return false
  }

  /// TLS is there, with the protocol that the server has chosen, if it has chosen one (RFC 7301 §3.1).
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

  // MARK: What the peer says

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
    // TLS takes its bytes itself; in the other stages no byte of the peer's is legal, and none is of use.
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
      // The client speaks first, whether by TLS or without.
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
          // 262 bytes are the longest that is waited for.
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

  /// Takes the events that `step` gives.
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
    // The status counts, whatever is wrong with the body.
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

  /// The refusal is complete, as far as it is of use.
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

  /// Whether this is the end; false if it has been before.
  private func end() -> Bool {
    if case .over = stage { return false }
    stage = .over
    deadline?.cancel()
    return true
  }

  private func deadlinePassed(_ limit: Duration) {
    // What has come of the body will do.
    if refusal != nil { refuse() } else { fail(.timedOut(stage.name, limit: limit)) }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if refusal != nil { return refuse() }
    switch stage {
    // A transport that was not used: its failure is the bootstrap's to tell.
    case .idle: context.fireErrorCaught(error)
    case .tls where plan.versions == .http2 && "\(error)".contains("NO_APPLICATION_PROTOCOL"):
      fail(.http2Unavailable(.notAgreed))
    case .proxyTLS, .tunnel, .socks, .tls, .handshake: fail(WebSocketClientError(error, during: stage.name))
    case .over: break
    }
  }

  func channelInactive(context: ChannelHandlerContext) {
    switch stage {
    // An end without an answer is the network's; the end of a body may be its last byte.
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
