// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import WSProtoNIO

extension WebSocket {
  /// Sends a message in frames of `size` bytes each, where characters stay whole, and an empty one that ends it.
  func send(_ message: WebSocketMessage, inFramesOf size: Int) async throws {
    try await send(message.kind) { writer in
      var rest = message.bytes
      while rest.readableBytes > 0, let part = rest.readSlice(length: min(size, rest.readableBytes)) {
        try await writer.write(part)
      }
    }
  }
}
#endif
