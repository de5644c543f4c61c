// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// A message, or a part of one: of a text whole characters.
struct MessagePart: Sendable {
  let message: WebSocketMessage
  /// The message has no further parts.
  let isLast: Bool

  /// What it takes in memory, about: the smallest ones are not free.
  var cost: Int { message.bytes.readableBytes + 64 }
}

/// A message that comes in several reads or frames, put together in the buffer that is given out.
struct MessageAssembly: ~Copyable {
  private let kind: WebSocketMessage.Kind
  private var bytes = ByteBuffer()
  private let budget: MemoryBudget?

  /// The most bytes that a message may have, whatever the options say: the size of a `ByteBuffer` has 32 bits, and
  /// growing it further traps.
  static let maxBytes = 1 << 31

  init(_ kind: WebSocketMessage.Kind, budget: MemoryBudget?) {
    self.kind = kind
    self.budget = budget
  }

  /// Appends a part; false if there is no memory for it. The core has counted it against the limit of a message.
  mutating func append(_ part: RawSpan) -> Bool {
    guard part.byteCount <= Self.maxBytes - bytes.readableBytes, budget?.take(part.byteCount) ?? true else {
      return false
    }
    part.withUnsafeBytes { _ = bytes.writeBytes($0) }
    return true
  }

  /// The message, which has its last part.
  consuming func finish() -> WebSocketMessage { WebSocketMessage(kind, unchecked: bytes) }

  deinit { budget?.give(bytes.readableBytes) }
}
#endif
