// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
public import WSProto

/// Publish and subscribe: what is published to a topic goes to all sockets that have subscribed to it, with one encoding
/// and one compression for all of them.
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
/// Publishing waits for nobody. A socket whose peer takes less than it is sent gets what its
/// ``WebSocketOptions/slowConsumer`` says; one that lets `send` wait is dropped once 1 MiB is waiting for it. With a key,
/// a publication takes the place of the one before, as long as that waits.
///
/// A subscription ends with its connection.
public final class WebSocketTopics: Sendable {
  /// Takes what was published here to other nodes.
  public typealias Forward = @Sendable (_ message: PreparedMessage, _ topic: String) -> Void

  fileprivate struct State {
    var subscribers: [String: [UInt64: WebSocket]] = [:]
    /// The topics of each socket, by its number.
    var topics: [UInt64: Set<String>] = [:]
  }

  private let state = NIOLockedValueBox(State())
  private let forward: Forward?

  /// Topics without subscribers.
  ///
  /// - Parameter forward: called for each publication with ``publish(_:to:)-(PreparedMessage,_)``, so that other nodes can
  ///   have it; what they publish comes in by ``deliver(_:to:)``. Must not block.
  public init(forward: Forward? = nil) { self.forward = forward }

  /// Lets a socket have what is published to a topic from now on. A second subscription to the same topic is none.
  public func subscribe(_ socket: WebSocket, to topic: String) {
    let isNew = state.withLockedValue { state in
      state.subscribers[topic, default: [:]][socket.id] = socket
      let isNew = state.topics[socket.id] == nil
      state.topics[socket.id, default: []].insert(topic)
      return isNew
    }
    // At once, if it has ended already.
    if isNew { socket.outbox.whenClosed { [weak self, id = socket.id] in self?.remove(id) } }
  }

  /// Ends a subscription; nothing happens if there is none.
  public func unsubscribe(_ socket: WebSocket, from topic: String) {
    state.withLockedValue { state in
      // The socket stays known, with no topic, so that its end is watched once.
      state.topics[socket.id]?.remove(topic)
      state.remove(socket.id, from: topic)
    }
  }

  private func remove(_ id: UInt64) {
    state.withLockedValue { state in
      for topic in state.topics.removeValue(forKey: id) ?? [] { state.remove(id, from: topic) }
    }
  }

  /// How many sockets have subscribed to a topic.
  public func subscriberCount(of topic: String) -> Int {
    state.withLockedValue { $0.subscribers[topic]?.count ?? 0 }
  }

  /// Sends a message to all subscribers of a topic, and to other nodes if they are told.
  ///
  /// - Returns: how many sockets of this node it goes to.
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

  /// Sends a message to all subscribers of a topic, and to other nodes if they are told, without the key. For a socket that
  /// has not taken an earlier one with the same key yet, it takes the place of that; see
  /// ``WebSocket/send(_:replacing:compress:)``.
  ///
  /// - Returns: how many sockets it goes to.
  @discardableResult
  public func publish(_ message: PreparedMessage, to topic: String, replacing key: String) -> Int {
    forward?(message, topic)
    return WebSocket.publish(message, replacing: key, to: subscribers(of: topic))
  }

  /// Sends what was published on another node to all subscribers of a topic on this one.
  ///
  /// - Returns: how many sockets it goes to.
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
