// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import HTTPTypes
import NIOCore
import NIOPosix
import Synchronization
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// What `serve` does with its connections.
protocol ServedConversation: Sendable {
  /// Begins, when the server listens.
  func start() throws
  /// Talks on one connection, which is closed when it returns.
  func serve(_ connection: ServedConnection) async throws
  /// The server has stopped.
  func stop()
  /// How many descriptors a connection takes in all.
  var descriptorsPerConnection: Int { get }
}

extension ServedConversation {
  func start() throws {}
  func stop() {}
  var descriptorsPerConnection: Int { 1 }
}

/// Ends a conversation with a code of its own.
struct ServiceClose: Error {
  var code: CloseReason
  var reason: String
}

/// A connection of `serve`, with its number, and counts of what has come.
final class ServedConnection: Sendable {
  let number: Int
  let socket: WebSocket
  private let state = Mutex((messages: 0, bytes: 0))

  init(number: Int, socket: WebSocket) {
    self.number = number
    self.socket = socket
  }

  var counts: (messages: Int, bytes: Int) { state.withLock { $0 } }

  /// The version of HTTP that has opened it: over HTTP/2 there is no `Upgrade` (RFC 8441 §5).
  var httpVersion: String { socket.request.extraHeaders[.upgrade] == nil ? "2" : "1.1" }

  func count(_ message: WebSocketMessage) {
    state.withLock { counts in
      counts.messages += 1
      counts.bytes += message.bytes.readableBytes
    }
  }
}

/// Every message goes back as it came.
struct EchoService: ServedConversation {
  private let log: ServeLog

  init(_ log: ServeLog) { self.log = log }

  func serve(_ connection: ServedConnection) async throws {
    let isSelfTest = connection.socket.request.target == "/.selftest"
    for try await message in connection.socket.messages {
      connection.count(message)
      // The page's report on itself.
      if isSelfTest, let text = message.text, text.hasPrefix(#"{"selftest""#) { log.print(shown(text)) }
      try await connection.socket.send(message)
    }
  }
}

/// Every message goes to all connections.
struct BroadcastService: ServedConversation {
  private let topics = WebSocketTopics()

  func serve(_ connection: ServedConnection) async throws {
    topics.subscribe(connection.socket, to: "all")
    for try await message in connection.socket.messages {
      connection.count(message)
      if let text = message.text {
        topics.publish(text, to: "all")
      } else {
        topics.publish(PreparedMessage(bytes: Bytes(message.bytes.readableBytesView)), to: "all")
      }
    }
  }
}

/// Bytes go to a TCP connection, and come from it.
struct TCPService: ServedConversation {
  private let place: HostAndPort
  let descriptorsPerConnection = 2

  init(_ place: HostAndPort) { self.place = place }

  func serve(_ connection: ServedConnection) async throws {
    let stream: TCPBridge.Stream
    do {
      stream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(.seconds(10))
        .connect(host: place.host, port: place.port) { TCPBridge.wrap($0) }
    } catch {
      throw ServiceClose(code: .badGateway, reason: "\(place.host):\(place.port) is not reached")
    }
    try await TCPBridge.copy(stream, connection.socket)
  }
}
#endif
