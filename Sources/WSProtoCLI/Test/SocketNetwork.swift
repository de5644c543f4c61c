// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// The connections of tests, by TCP and TLS.
final class SocketNetwork: ScenarioNetwork {
  private let tls: WebSocketClientTLS
  /// Reading the system's certificates takes long: once for each host.
  private let layers = Mutex<[Layer: ClientTLSLayer]>([:])

  private struct Layer: Hashable {
    var host: URLHost
    var insecure: Bool
  }

  init(tls: WebSocketClientTLS = WebSocketClientTLS()) { self.tls = tls }

  func connect(to url: String, insecure: Bool, within limit: Duration) async throws(ScenarioFailure)
    -> ScenarioOpening
  {
    let typed = TypedAddress(url)
    do {
      let address = try WebSocketAddress(ServerArgument.ascii(typed.url))
      let target = ByteStream.Target(address, unixSocketPath: typed.unixSocketPath)
      let layer = address.isSecure ? try layer(to: address.host, insecure) : nil
      let stream = try await ByteStream.connect(to: target, tls: layer, timeout: limit)
      var opening = ScenarioOpening(
        stream: SocketStream(stream),
        host: address.hostField,
        target: address.target
      )
      opening.authorization = address.credentials?.authorization
      return opening
    } catch {
      throw ScenarioFailure(shown("\(error)"))
    }
  }

  private func layer(to host: URLHost, _ insecure: Bool) throws -> ClientTLSLayer {
    let key = Layer(host: host, insecure: insecure)
    if let layer = layers.withLock({ $0[key] }) { return layer }
    var options = tls
    if insecure { options = .insecure }
    let layer = try ClientTLSLayer(options, to: host)
    layers.withLock { $0[key] = layer }
    return layer
  }

  func listen(at address: String) async throws(ScenarioFailure) -> any ScenarioListener {
    guard let place = HostAndPort(address) else {
      throw ScenarioFailure("\(shownInQuotes(address)) is no host and port, such as 127.0.0.1:0")
    }
    do {
      let listener = try await ByteStreamListener.listen(at: .host(place.host, port: place.port))
      return SocketListener(listener, host: place.host)
    } catch {
      throw ScenarioFailure("\(error)")
    }
  }
}

/// A TCP or TLS connection of a test.
struct SocketStream: ScenarioStream {
  private let stream: ByteStream

  init(_ stream: ByteStream) { self.stream = stream }

  func write(_ bytes: [UInt8]) async throws { try await stream.write(bytes) }

  func read() async throws -> [UInt8]? {
    while true {
      switch try await stream.read() {
      case .bytes(let bytes): return bytes
      case .end: return nil
      case .timedOut: continue
      }
    }
  }

  /// TLS has no half-closed state; the other end sees the end of the stream when all of it is closed.
  func finish() async { try? await stream.finish() }

  func reset() async { stream.reset() }

  func close() async { stream.close() }
}

/// A port at which a test takes connections.
final class SocketListener: ScenarioListener {
  private let listener: ByteStreamListener
  private let streams: AsyncStream<ByteStream>
  private let serving: Task<Void, Never>
  let address: String

  init(_ listener: ByteStreamListener, host: String) {
    self.listener = listener
    address = "\(host.contains(":") ? "[\(host)]" : host):\(listener.port ?? 0)"
    let (streams, continuation) = AsyncStream.makeStream(of: ByteStream.self)
    self.streams = streams
    serving = Task {
      try? await listener.serve { stream in
        continuation.yield(stream)
        await stream.closed()
      }
      continuation.finish()
    }
  }

  func accept() async -> (any ScenarioStream)? {
    for await stream in streams { return SocketStream(stream) }
    return nil
  }

  func close() async { listener.close() }
}
#endif
