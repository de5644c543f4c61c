// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

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

  /// The maximum size of a message, whatever the options say: `ByteBuffer` has 32-bit sizes, and growing it further
  /// traps.
  static let maxBytes = 1 << 31

  init(_ kind: WebSocketMessage.Kind, budget: MemoryBudget?) {
    self.kind = kind
    self.budget = budget
  }

  /// Appends a part. Returns false if there is no memory for it. The core has already checked the limit on one message.
  mutating func append(_ part: RawSpan) -> Bool {
    guard part.byteCount <= Self.maxBytes - bytes.readableBytes, budget?.take(part.byteCount) ?? true else {
      return false
    }
    part.withUnsafeBytes { _ = bytes.writeBytes($0) }
    return true
  }

  /// Returns the complete message, after its last part was appended.
  consuming func finish() -> WebSocketMessage { WebSocketMessage(kind, unchecked: bytes) }

  deinit { budget?.give(bytes.readableBytes) }
}
#endif
