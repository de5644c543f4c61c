// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// The state that an ``Inbox`` guards: the parts that nobody has taken, and the position of the reader.
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
    /// An error in how the reader is used.
    case failed(any Error)
    /// A message is too large, so the connection must be closed.
    case oversize
    case wait

    /// Whether this is the end of the messages.
    var isEnd: Bool { if case .ended = self { true } else { false } }
  }

  /// How far the reader has come.
  struct Reading {
    /// Whether it has taken everything and waits for more.
    let isWaiting: Bool
    /// Whether something that was delivered is not taken yet.
    let hasUnread: Bool
    /// The number of messages and parts that were taken.
    let taken: Int
    /// Whether one was taken since the last batch was delivered.
    let hasTakenLately: Bool
  }

  /// The position of the reader.
  private enum Position {
    case betweenMessages
    /// Within a message whose parts are taken one by one; the value is its number.
    case streaming(UInt64)
    /// Within a message that is being assembled.
    case collecting(WebSocketMessage.Kind, ByteBuffer)
    /// Within a message whose remaining parts are discarded.
    case skipping
  }

  private let maxBytes: Int
  private let maxMessageBytes: Int
  private var parts = CircularBuffer<MessagePart>(initialCapacity: 2)
  private var bytes = 0
  /// The number of parts taken so far, and the number at the last delivery.
  private var taken = 0
  private var takenBefore = 0
  /// Called once, when a reader has taken everything and asks for more.
  var onNothing: (@Sendable () -> Void)?
  private var position = Position.betweenMessages
  /// The number of the last message whose parts were requested.
  private var lastStream: UInt64 = 0
  /// Whether all further messages are dropped.
  private var isCut = false
  /// Whether the event loop was told to stop reading.
  private var isFull = false
  /// Whether there is room again and the event loop hasn't been told yet.
  private var hasRoom = false
  var reader: UnsafeContinuation<Void, any Error>?
  /// The number of the wait that `reader` belongs to.
  var readerNumber: UInt64 = 0
  private var lastNumber: UInt64 = 0
  /// How the sequence ends, once no more messages come because the connection has ended or is about to.
  var end: End?
  /// How the connection ended.
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

  /// Receives a batch. Returns whether there is room for more.
  mutating func append(_ batch: [MessagePart], isBounded: Bool) -> Bool {
    guard end == nil, !isCut else { return true }
    for part in batch {
      if isBounded, bytes >= maxBytes {
        // Drops this message and all that follow, rather than leaving a gap.
        isCut = true
        break
      }
      parts.append(part)
      bytes += part.cost
    }
    takenBefore = taken
    isFull = bytes >= maxBytes
    return !isFull
  }

  var reading: Reading {
    Reading(
      isWaiting: reader != nil,
      hasUnread: !parts.isEmpty,
      taken: taken,
      hasTakenLately: taken != takenBefore
    )
  }

  // MARK: The reader's side

  /// Whether a reader that found nothing would find something now.
  var hasNews: Bool { !parts.isEmpty || end != nil }

  /// Returns once whether the event loop must be told that there is room.
  mutating func takeRoom() -> Bool {
    defer { hasRoom = false }
    return hasRoom
  }

  private mutating func pop() -> MessagePart? {
    guard let part = parts.popFirst() else { return nil }
    bytes -= part.cost
    taken &+= 1
    if isFull, bytes <= maxBytes / 2 {
      isFull = false
      hasRoom = true
    }
    // An idle connection holds no memory for messages; a busy one keeps a little.
    if parts.isEmpty, parts.capacity > 16 { parts = CircularBuffer(initialCapacity: 2) }
    return part
  }

  private func nothing<Value>() -> Step<Value> { end.map { .ended($0) } ?? .wait }

  /// Takes the next whole message.
  mutating func nextMessage() -> Step<WebSocketMessage> {
    while let part = pop() {
      switch position {
      case .betweenMessages:
        if part.isLast { return .value(part.message) }
        position = .collecting(part.message.kind, part.message.bytes)
      case .collecting(let kind, var collected):
        // The state must hold the only reference to the buffer, so that it grows in place.
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

  /// Takes the beginning of the next message: its kind, and the number to request its parts with. The rest of the
  /// previous message is discarded.
  mutating func nextStream() -> Step<(WebSocketMessage.Kind, UInt64)> {
    if case .collecting(let kind, let collected) = position {
      // A cancelled reader of whole messages left this message behind.
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

  /// Takes the next part of a message, or `nil` after its last one.
  mutating func nextPart(of stream: UInt64) -> Step<ByteBuffer?> {
    guard case .streaming(stream) = position else {
      if case .betweenMessages = position, stream == lastStream { return .value(nil) }
      return .failed(MessagePassedOver())
    }
    guard let part = pop() else {
      guard let end else { return .wait }
      // The rest of the message is lost, even if the end is orderly.
      if case .failed = end { return .ended(end) }
      return .failed(closed ?? WebSocketClosed(code: .abnormalClosure, cause: .shutdown))
    }
    if part.isLast { position = .betweenMessages }
    let bytes = part.message.bytes
    return .value(part.isLast && bytes.readableBytes == 0 ? nil : bytes)
  }
}

/// Two tasks wait for the messages of one connection at the same time. Let only one task read them, since each message
/// is delivered once.
public struct MessagesInUse: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "another task is waiting for the messages of this connection already" }
}

/// The parts of a message were requested after the next message had been requested. Take the parts of one message
/// before you go on to the next.
public struct MessagePassedOver: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong.
  public var description: String { "the parts of a message were asked for after the next message was" }
}
#endif
