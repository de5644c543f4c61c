// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// What an ``Inbox`` guards: the parts that nobody has taken, and how far the reader is.
struct InboxState {
  /// How the sequence of messages ends.
  enum End {
    case finished
    case failed(WebSocketClosed)
  }

  /// What a reader finds.
  enum Step<Value> {
    case value(Value)
    case ended(End)
    /// Of a reader's own making.
    case failed(any Error)
    /// A message is larger than it may be: the connection is to be closed.
    case oversize
    case wait
  }

  /// Where the reader is.
  private enum Position {
    case betweenMessages
    /// In a message whose parts are taken one by one; its number.
    case streaming(UInt64)
    /// In a message that is being put together.
    case collecting(WebSocketMessage.Kind, ByteBuffer)
    /// In a message that nobody wants any more.
    case skipping
  }

  private let maxBytes: Int
  private let maxMessageBytes: Int
  private var parts = CircularBuffer<MessagePart>(initialCapacity: 2)
  private var bytes = 0
  private var position = Position.betweenMessages
  /// The number of the last message whose parts were asked for.
  private var lastStream: UInt64 = 0
  /// Nothing more is kept.
  private var isCut = false
  /// The event loop was told to read no more.
  private var isFull = false
  /// There is room again, and the event loop is to be told.
  private var hasRoom = false
  var reader: UnsafeContinuation<Void, any Error>?
  /// Of the wait that `reader` belongs to.
  var readerNumber: UInt64 = 0
  private var lastNumber: UInt64 = 0
  /// Nothing more comes: the connection has ended, or is about to.
  var end: End?
  /// How the connection has ended.
  var closed: WebSocketClosed?

  init(maxBytes: Int, maxMessageBytes: Int) {
    self.maxBytes = max(1, maxBytes)
    self.maxMessageBytes = maxMessageBytes
  }

  mutating func makeNumber() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  // MARK: The event loop's side

  /// Takes a batch; whether there is room for more.
  mutating func append(_ batch: [MessagePart], isBounded: Bool) -> Bool {
    guard end == nil, !isCut else { return true }
    for part in batch {
      if isBounded, bytes >= maxBytes {
        // Not one message with a gap: this one, and all that follow.
        isCut = true
        break
      }
      parts.append(part)
      bytes += part.cost
    }
    isFull = bytes >= maxBytes
    return !isFull
  }

  // MARK: The reader's side

  /// Whether a reader that has found nothing finds something now.
  var hasNews: Bool { !parts.isEmpty || end != nil }

  /// Whether the event loop is to be told that there is room; once.
  mutating func takeRoom() -> Bool {
    defer { hasRoom = false }
    return hasRoom
  }

  private mutating func pop() -> MessagePart? {
    guard let part = parts.popFirst() else { return nil }
    bytes -= part.cost
    if isFull, bytes <= maxBytes / 2 {
      isFull = false
      hasRoom = true
    }
    // An idle connection holds no memory for messages; a busy one keeps a little.
    if parts.isEmpty, parts.capacity > 16 { parts = CircularBuffer(initialCapacity: 2) }
    return part
  }

  private func nothing<Value>() -> Step<Value> { end.map { .ended($0) } ?? .wait }

  /// The next message, whole.
  mutating func nextMessage() -> Step<WebSocketMessage> {
    while let part = pop() {
      switch position {
      case .betweenMessages:
        if part.isLast { return .value(part.message) }
        position = .collecting(part.message.kind, part.message.bytes)
      case .collecting(let kind, var collected):
        // The buffer is this state's alone, so that it grows in place.
        position = .skipping
        guard part.message.bytes.readableBytes <= maxMessageBytes - collected.readableBytes else {
          return .oversize
        }
        collected.writeImmutableBuffer(part.message.bytes)
        guard !part.isLast else {
          position = .betweenMessages
          return .value(WebSocketMessage(kind, unchecked: collected))
        }
        position = .collecting(kind, collected)
      case .streaming, .skipping:
        position = part.isLast ? .betweenMessages : .skipping
      }
    }
    return nothing()
  }

  /// The beginning of the next message: its kind, and the number by which its parts are asked for. What is left of the one
  /// before is passed over.
  mutating func nextStream() -> Step<(WebSocketMessage.Kind, UInt64)> {
    if case .collecting(let kind, let collected) = position {
      // Begun by a reader of whole messages that was cancelled.
      let part = MessagePart(message: WebSocketMessage(kind, unchecked: collected), isLast: false)
      parts.prepend(part)
      bytes += part.cost
      position = .betweenMessages
    }
    while let part = parts.first {
      switch position {
      case .betweenMessages:
        lastStream += 1
        position = .streaming(lastStream)
        return .value((part.message.kind, lastStream))
      case .streaming, .skipping, .collecting:
        _ = pop()
        position = part.isLast ? .betweenMessages : .skipping
      }
    }
    return nothing()
  }

  /// The next part of a message; `nil` behind its last one.
  mutating func nextPart(of stream: UInt64) -> Step<ByteBuffer?> {
    guard case .streaming(stream) = position else {
      if case .betweenMessages = position, stream == lastStream { return .value(nil) }
      return .failed(MessagePassedOver())
    }
    guard let part = pop() else {
      guard let end else { return .wait }
      // The rest is lost, however orderly the end.
      if case .failed = end { return .ended(end) }
      return .failed(closed ?? WebSocketClosed(code: .abnormalClosure, cause: .shutdown))
    }
    if part.isLast { position = .betweenMessages }
    let bytes = part.message.bytes
    return .value(part.isLast && bytes.readableBytes == 0 ? nil : bytes)
  }
}

/// Two tasks wait for the messages of one connection at once. Only one can have each message: let one task read them.
public struct MessagesInUse: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "another task is waiting for the messages of this connection already" }
}

/// Parts of a message were asked for when the next message had been asked for already: take the parts of one message
/// before you go on to the next.
public struct MessagePassedOver: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "the parts of a message were asked for after the next message was" }
}
#endif
