// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOEmbedded
public import WSProto
public import WSProtoNIO

/// The two ends of a WebSocket connection in memory, for tests: no port, no time that passes by itself, and a network that
/// fails when it is told to.
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
/// Both ends are those of a real connection: the same frames, deadlines, limits and backpressure. Their opening handshake
/// is done when the pair is there; it has not gone over the network.
public final class WebSocketPair: Sendable {
  /// The client's end.
  public let client: WebSocket
  /// The server's end.
  public let server: WebSocket
  /// What is sent by the client, on its way.
  public let toServer: TestWire
  /// What is sent by the server, on its way.
  public let toClient: TestWire
  /// The time of both ends.
  public let clock: VirtualClock

  private let channels: [NIOAsyncTestingChannel]

  /// Opens a pair, and ends it when `body` has returned.
  ///
  /// - Parameters:
  ///   - request: the client's.
  ///   - subprotocol: the one that the server chooses of those in the request.
  ///   - client: the options of the client's end.
  ///   - server: the options of the server's end. If both have a compression, messages are compressed.
  ///   - clock: the clock of both ends: the same one for several pairs, if they are to share it.
  ///   - isolation: the actor that `body` runs on: the caller's.
  ///   - body: uses the pair.
  /// - Returns: what `body` returns.
  /// - Throws: what `body` throws; `LocalProtocolError` if the request can't be sent or accepted so.
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

  /// Opens a pair, for as long as you like: ``end()`` ends it. Parameters and errors are those of
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

  /// What one end needs to be open.
  private struct End: @unchecked Sendable {
    /// Nobody else has it: it goes to the event loop.
    let connection: Connection
    let opening: WebSocket.Opening
    let options: WebSocketOptions

    func open(on channel: NIOAsyncTestingChannel) throws -> WebSocket {
      try WebSocket.open(connection, on: channel, opening, options: options)
    }
  }

  /// The opening handshake (RFC 6455 §4), from hand to hand.
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

  /// Ends both transports, whatever is under way. A pair that was opened must be ended.
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
