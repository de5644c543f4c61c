// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
public import WSProto

/// Publish and subscribe: a message published to a topic goes to all sockets subscribed to it. It is encoded and
/// compressed only once.
///
/// ```swift
/// import WSProtoNIO
///
/// func serve() async throws {
///   let topics = WebSocketTopics()
///   let server = WebSocketServer(port: 8080) { socket in
///     topics.subscribe(socket, to: "chat")
///     for try await message in socket.messages {
///       if let text = message.text { topics.publish(text, to: "chat") }
///     }
///   }
///   try await server.run()
/// }
/// ```
///
/// Publishing never waits. For a socket whose peer reads too slowly, its ``WebSocketOptions/slowConsumer`` applies; if
/// that policy is to wait, the connection is dropped once 1 MiB is waiting. With a key, a message replaces an earlier
/// one with the same key that is still waiting.
///
/// A subscription ends with its connection.
public final class WebSocketTopics: Sendable {
  /// Passes published messages to other nodes.
  public typealias Forward = @Sendable (_ message: PreparedMessage, _ topic: String) -> Void

  fileprivate struct State {
    var subscribers: [String: [UInt64: WebSocket]] = [:]
    /// The topics of each socket, by the socket's number.
    var topics: [UInt64: Set<String>] = [:]
  }

  private let state = NIOLockedValueBox(State())
  private let forward: Forward?

  /// Creates topics without subscribers.
  ///
  /// - Parameter forward: called for each published message, so that other nodes receive it. Pass what other nodes
  ///   publish to ``deliver(_:to:)``. Must not block.
  public init(forward: Forward? = nil) { self.forward = forward }

  /// Subscribes a socket to a topic. A second subscription to the same topic has no effect.
  public func subscribe(_ socket: WebSocket, to topic: String) {
    let isNew = state.withLockedValue { state in
      state.subscribers[topic, default: [:]][socket.id] = socket
      let isNew = state.topics[socket.id] == nil
      state.topics[socket.id, default: []].insert(topic)
      return isNew
    }
    // Runs at once if the socket has already ended.
    if isNew { socket.outbox.whenClosed { [weak self, id = socket.id] in self?.remove(id) } }
  }

  /// Ends a subscription. Does nothing if there is none.
  public func unsubscribe(_ socket: WebSocket, from topic: String) {
    state.withLockedValue { state in
      // The socket stays known even without topics, so that its end is observed only once.
      state.topics[socket.id]?.remove(topic)
      state.remove(socket.id, from: topic)
    }
  }

  private func remove(_ id: UInt64) {
    state.withLockedValue { state in
      for topic in state.topics.removeValue(forKey: id) ?? [] { state.remove(id, from: topic) }
    }
  }

  /// The number of sockets subscribed to a topic.
  public func subscriberCount(of topic: String) -> Int {
    state.withLockedValue { $0.subscribers[topic]?.count ?? 0 }
  }

  /// Sends a message to all subscribers of a topic, and forwards it to other nodes.
  ///
  /// - Returns: the number of sockets on this node that it goes to.
  @discardableResult
  public func publish(_ message: PreparedMessage, to topic: String) -> Int {
    forward?(message, topic)
    return deliver(message, to: topic)
  }

  /// Sends a text to all subscribers of a topic; see ``publish(_:to:)-(PreparedMessage,_)``.
  @discardableResult
  public func publish(_ text: String, to topic: String) -> Int {
    publish(PreparedMessage(text: text), to: topic)
  }

  /// Sends a message to all subscribers of a topic, and forwards it to other nodes without the key. On each socket, it
  /// replaces an earlier message with the same key that is still waiting; see
  /// ``WebSocket/send(_:replacing:compress:)``.
  ///
  /// - Returns: the number of sockets on this node that it goes to.
  /// - Returns: how many sockets it goes to.
  @discardableResult
  public func publish(_ message: PreparedMessage, to topic: String, replacing key: String) -> Int {
    forward?(message, topic)
    return WebSocket.publish(message, replacing: key, to: subscribers(of: topic))
  }

  /// Sends a message that another node published to all subscribers of a topic on this node.
  ///
  /// - Returns: the number of sockets that it goes to.
  @discardableResult
  public func deliver(_ message: PreparedMessage, to topic: String) -> Int {
    WebSocket.publish(message, to: subscribers(of: topic))
  }

  private func subscribers(of topic: String) -> [WebSocket] {
    state.withLockedValue { $0.subscribers[topic].map { Array($0.values) } ?? [] }
  }
}

extension WebSocketTopics.State {
  fileprivate mutating func remove(_ id: UInt64, from topic: String) {
    subscribers[topic]?[id] = nil
    if subscribers[topic]?.isEmpty == true { subscribers[topic] = nil }
  }
}
#endif
