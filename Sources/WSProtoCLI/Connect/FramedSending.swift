// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import WSProtoNIO

extension WebSocket {
  /// Sends a message in frames of `size` bytes each, but for the last one.
  func send(_ message: WebSocketMessage, inFramesOf size: Int) async throws {
    try await send(message)
  }
}
#endif
