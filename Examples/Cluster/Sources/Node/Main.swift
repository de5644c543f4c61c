// SPDX-License-Identifier: Apache-2.0

// One node of the cluster: Node NAME PORT REDIS-PORT

import HTTPTypes
import Logging
import ServiceLifecycle
import Synchronization
import WSProto
import WSProtoNIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

@main enum Main {
  static func main() async throws {
    let arguments = CommandLine.arguments
    guard arguments.count == 4, let port = Int(arguments[2]), let redisPort = Int32(arguments[3]) else {
      return print("usage: Node NAME PORT REDIS-PORT")
    }
    let read = Atomic(0)
    let published = Atomic(0)
    let redis = RedisPublisher(port: redisPort)
    let topics = WebSocketTopics()
    // What any node has published, this one included, in the order in which Redis has it.
    let subscription = try RedisSubscription(port: redisPort, channel: "chat") { text in
      topics.deliver(PreparedMessage(text: text), to: "chat")
    }
    let server = WebSocketServer(port: port, options: options(name: arguments[1])) { socket in
      topics.subscribe(socket, to: "chat")
      for try await message in socket.messages {
        guard let text = message.text else { continue }
        read.add(1, ordering: .relaxed)
        // Redis has it when this returns. The closure goes on to the next message only then, and ends only then.
        try await redis.publish(text, to: "chat")
        published.add(1, ordering: .relaxed)
      }
    }
    // Shut down in the reverse order: what is published is heard while there is anybody to hear it.
    let group = ServiceGroup(
      services: [subscription, server],
      gracefulShutdownSignals: [.sigterm],
      logger: Logger(label: "node")
    )
    try await group.run()
    print("read \(read.load(ordering: .relaxed)), published \(published.load(ordering: .relaxed))")
  }

  private static func options(name: String) -> WebSocketServerOptions {
    var options = WebSocketServerOptions()
    // Tells the clients who they are talking to.
    options.decide = { _ in .accept(headerFields: [.server: name]) }
    // For the health checks of HAProxy.
    options.answer = { request in
      request.head.path == "/health" ? .text("well\n") : HTTPServerResponse(status: .notFound)
    }
    options.onListening = { _ in
      print("listening")
      fflush(nil)
    }
    options.logger = Logger(label: name) { StreamLogHandler.standardError(label: $0) }
    return options
  }
}
