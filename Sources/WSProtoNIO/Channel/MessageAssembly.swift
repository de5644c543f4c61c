// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// A message or a part of one. A part of a text message holds whole characters.
struct MessagePart: Sendable {
  let message: WebSocketMessage
  /// Whether this is the last part of its message.
  let isLast: Bool

  /// The approximate memory it takes: even the smallest message isn't free.
  var cost: Int { message.bytes.readableBytes + 64 }
}

/// Assembles a message that comes in several reads or frames, in the buffer that is handed out.
struct MessageAssembly: ~Copyable {
  private let kind: WebSocketMessage.Kind
  private var bytes = ByteBuffer()
  private let budget: MemoryBudget?
  /// The message in the budget.
  let id: MessagesUnderWay.ID?

  /// The maximum size of a message, whatever the options say: `ByteBuffer` has 32-bit sizes, and growing it further
  /// traps.
  static let maxBytes = 1 << 31

  /// - Parameter id: the message in `budget`.
  init(_ kind: WebSocketMessage.Kind, budget: MemoryBudget?, _ id: MessagesUnderWay.ID?) {
    self.kind = kind
    self.budget = budget
    self.id = id
  }

  /// Appends a part. Returns false if there is no memory for it. The core has already checked the limit on one message.
  mutating func append(_ part: RawSpan, at now: Duration) -> Bool {
    guard part.byteCount <= Self.maxBytes - bytes.readableBytes,
      budget?.take(part.byteCount, for: id, at: now) ?? true
    else { return false }
    part.withUnsafeBytes { _ = bytes.writeBytes($0) }
    return true
  }

  /// Returns the complete message, after its last part was appended.
  consuming func finish() -> WebSocketMessage { WebSocketMessage(kind, unchecked: bytes) }

  deinit { if let id { budget?.endMessage(id) } }
}
#endif
