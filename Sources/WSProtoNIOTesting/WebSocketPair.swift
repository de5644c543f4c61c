// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
public import WSProto
public import WSProtoNIO

/// The two ends of a WebSocket connection in memory, for tests without ports or real time, and with a network that
/// fails on demand.
///
/// ```swift
/// import WSProtoNIO
/// import WSProtoNIOTesting
///
/// /// The server finds a client that has vanished by its keepalive.
/// func findsVanishedClient(_ serve: @escaping @Sendable (WebSocket) async throws -> Void) async throws {
///   try await WebSocketPair.connect { pair in
///     async let served: Void = serve(pair.server)
///     pair.toServer.inject(.lose(after: 0))
///     await pair.clock.advance(by: .seconds(60))
///     do {
///       try await served
///     } catch let closed as WebSocketClosed {
///       print(closed)
///     }
///   }
/// }
/// ```
///
/// Both ends behave like those of a real connection, with the same frames, deadlines, limits and backpressure. The
/// opening handshake is already done when a pair is created, and doesn't go over the network.
public final class WebSocketPair: Sendable {
  /// The client's end.
  public let client: WebSocket
  /// The server's end.
  public let server: WebSocket
  /// The network from the client to the server.
  public let toServer: TestWire
  /// The network from the server to the client.
  public let toClient: TestWire
  /// The clock of both ends.
  public let clock: VirtualClock

  private let channels: [NIOAsyncTestingChannel]

  /// Opens a pair, and ends it when `body` returns.
  ///
  /// - Parameters:
  ///   - request: the client's request.
  ///   - subprotocol: the subprotocol that the server chooses from the request.
  ///   - client: the options of the client's end.
  ///   - server: the options of the server's end. If both ends have compression, messages are compressed.
  ///   - clock: the clock of both ends. Several pairs may share one.
  ///   - isolation: the actor that `body` runs on; by default the caller's.
  ///   - body: uses the pair.
  /// - Returns: the value that `body` returns.
  /// - Throws: the error that `body` throws; `LocalProtocolError` if the request can't be sent, or can't be accepted
  ///   like this.
  public static func connect<Value>(
    request: Request = Request(host: "localhost", target: "/"),
    subprotocol: String? = nil,
    client: WebSocketOptions = WebSocketOptions(),
    server: WebSocketOptions = WebSocketOptions(),
    clock: VirtualClock = VirtualClock(),
    isolation: isolated (any Actor)? = #isolation,
    _ body: (WebSocketPair) async throws -> Value
  ) async throws -> Value {
    let pair = try await open(
      request: request,
      subprotocol: subprotocol,
      client: client,
      server: server,
      clock: clock
    )
    do {
      let value = try await body(pair)
      await pair.end()
      return value
    } catch {
      await pair.end()
      throw error
    }
  }

  /// Opens a pair that stays open until you call ``end()``. The parameters and errors are those of
  /// ``connect(request:subprotocol:client:server:clock:isolation:_:)``.
  public static func open(
    request: Request = Request(host: "localhost", target: "/"),
    subprotocol: String? = nil,
    client: WebSocketOptions = WebSocketOptions(),
    server: WebSocketOptions = WebSocketOptions(),
    clock: VirtualClock = VirtualClock()
  ) async throws -> WebSocketPair {
    try await WebSocketPair(request, subprotocol, client, server, clock)
  }

  private init(
    _ request: Request,
    _ subprotocol: String?,
    _ clientOptions: WebSocketOptions,
    _ serverOptions: WebSocketOptions,
    _ clock: VirtualClock
  ) async throws {
    self.clock = clock
    let loop = clock.loop
    toServer = TestWire(loop)
    toClient = TestWire(loop)
    let clientChannel = NIOAsyncTestingChannel(loop: loop)
    let serverChannel = NIOAsyncTestingChannel(loop: loop)
    channels = [clientChannel, serverChannel]
    try await clientChannel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 80)).get()
    try await serverChannel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 50_000)).get()
    let ends = try Self.negotiate(request, subprotocol, clientOptions, serverOptions)
    (client, server) = try await loop.executeInContext { [toServer, toClient] in
      let clientEnd = TestTransport(clientChannel, outgoing: toServer, incoming: toClient)
      let serverEnd = TestTransport(serverChannel, outgoing: toClient, incoming: toServer)
      clientEnd.peer = serverEnd
      serverEnd.peer = clientEnd
      try clientChannel.pipeline.syncOperations.addHandler(clientEnd)
      try serverChannel.pipeline.syncOperations.addHandler(serverEnd)
      let client = try ends.client.open(on: clientChannel)
      let server = try ends.server.open(on: serverChannel)
      clientChannel.pipeline.syncOperations.read()
      serverChannel.pipeline.syncOperations.read()
      return (client, server)
    }
    await loop.run()
  }

  /// What is needed to open one end.
  private struct End: @unchecked Sendable {
    /// Not shared: it moves to the event loop.
    let connection: Connection
    let opening: WebSocket.Opening
    let options: WebSocketOptions

    func open(on channel: NIOAsyncTestingChannel) throws -> WebSocket {
      try WebSocket.open(connection, on: channel, opening, options: options)
    }
  }

  /// Runs the opening handshake in memory (RFC 6455 §4).
  private static func negotiate(
    _ request: Request,
    _ subprotocol: String?,
    _ clientOptions: WebSocketOptions,
    _ serverOptions: WebSocketOptions
  ) throws -> (client: End, server: End) {
    var request = request
    if let compression = clientOptions.compression { request.extensions = [try compression.makeExtension()] }
    let extensions = try serverOptions.compression.map { [try $0.makeExtension()] } ?? []
    var asking = try ClientNegotiation(upgrade: request, configuration: clientOptions.configuration)
    let asked = try ServerNegotiation(
      upgrade: asking.httpRequest,
      minorVersion: 1,
      configuration: serverOptions.configuration
    )
    let accept = AcceptConnection(subprotocol: subprotocol, extensions: extensions)
    let (response, server) = try asked.accept(accept)
    guard case .accepted(let accepted, let client) = try asking.receive(response) else {
      preconditionFailure("a response that accepts is not taken for one")
    }
    return (
      End(
        connection: client,
        opening: WebSocket.Opening(request: request, response: accepted, subprotocol: subprotocol),
        options: clientOptions
      ),
      End(
        connection: server,
        opening: WebSocket.Opening(request: asked.request, subprotocol: subprotocol),
        options: serverOptions
      )
    )
  }

  /// Ends both transports, whatever is in progress. Every pair opened with
  /// ``open(request:subprotocol:client:server:clock:)`` must be ended.
  public func end() async {
    await clock.settle()
    for channel in channels {
      channel.close(promise: nil)
      await clock.loop.run()
      try? await channel.closeFuture.get()
    }
  }
}
#endif
