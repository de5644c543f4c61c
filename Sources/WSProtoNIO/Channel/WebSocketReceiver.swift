// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
public import WSProto

/// Takes the messages of a ``WebSocketChannelHandler`` directly: the fastest way to receive and answer them.
///
/// A message is borrowed from the connection while a method runs, so none is allocated, and none goes through the
/// pipeline. Copy what you keep. The methods are called on the channel's event loop, and what they send goes out with one
/// flush at the end of the read loop.
///
/// ```swift
/// final class Echo: WebSocketReceiver {
///   func receivedText(_ text: UTF8Span, on handler: WebSocketChannelHandler) {
///     try? handler.sendText(text)
///   }
///
///   func receivedBytes(_ bytes: RawSpan, on handler: WebSocketChannelHandler) {
///     try? handler.sendBytes(bytes)
///   }
/// }
/// ```
///
/// Set it as ``WebSocketChannelHandler/receiver``, in an upgrader's closure for example.
///
/// While the transport takes nothing, the peer isn't read: what it has sent until then is still handed over. Set the
/// channel's option `writeBufferWaterMark` to let more wait.
public protocol WebSocketReceiver: AnyObject {
  /// A whole text message (RFC 6455 §5.6).
  func receivedText(_ text: UTF8Span, on handler: WebSocketChannelHandler)

  /// A whole binary message (RFC 6455 §5.6).
  func receivedBytes(_ bytes: RawSpan, on handler: WebSocketChannelHandler)

  /// All messages of a read loop were handed over. Does nothing by default.
  func readComplete(on handler: WebSocketChannelHandler)

  /// What happened besides messages; the last event is ``WebSocketEvent/closed(_:)``. Does nothing by default.
  func received(_ event: WebSocketEvent, on handler: WebSocketChannelHandler)
}

extension WebSocketReceiver {
  /// Does nothing.
  public func readComplete(on handler: WebSocketChannelHandler) {}

  /// Does nothing.
  public func received(_ event: WebSocketEvent, on handler: WebSocketChannelHandler) {}
}

extension WebSocketChannelHandler {
  // MARK: For a receiver

  /// Sends a text message, compressed if that was negotiated and `compress` is true.
  ///
  /// Call it on the channel's event loop. The message goes out at the end of the read loop if a receiver's method is
  /// running, else with ``flush()``. It isn't bounded: look at the channel's `isWritable` before you send much.
  ///
  /// - Throws: `LocalProtocolError` if no message may be sent any more (RFC 6455 §5.5.1); the connection goes on.
  public func sendText(_ text: UTF8Span, compress: Bool = true) throws(LocalProtocolError) {
    if try sendsApart(.text, text.count, compress: compress) {
      outputPayload = ByteBuffer(copying: text.span.bytes)
      return
    }
    try append(atMost: connection.sizeBound(ofPayload: text.count)) { (room) throws(LocalProtocolError) in
      try connection.sendText(text, messageFinished: true, compress: compress, into: &room)
    }
  }

  /// Sends a binary message; see ``sendText(_:compress:)``.
  public func sendBytes(_ bytes: RawSpan, compress: Bool = true) throws(LocalProtocolError) {
    if try sendsApart(.binary, bytes.byteCount, compress: compress) {
      outputPayload = ByteBuffer(copying: bytes)
      return
    }
    try append(atMost: connection.sizeBound(ofPayload: bytes.byteCount)) {
      (room) throws(LocalProtocolError) in
      try connection.sendBytes(bytes, messageFinished: true, compress: compress, into: &room)
    }
  }

  /// Begins the closing handshake (RFC 6455 §7.1.2); see ``sendText(_:compress:)``.
  ///
  /// - Throws: `LocalProtocolError` if a Close was sent before, or the code or the reason is not legal.
  public func sendClose(_ close: CloseConnection) throws(LocalProtocolError) {
    try beginClose(close, cause: .local)
  }

  /// Writes to the transport what was sent.
  public func flush() {
    advance()
    flushOutput()
  }

  /// Hands a whole message to the receiver.
  @inline(__always)
  func handOver(
    _ kind: WebSocketMessage.Kind,
    _ payload: RawSpan,
    to receiver: any WebSocketReceiver
  ) {
    held.batchBytes += payload.byteCount + 64
    messageCount += 1
    switch kind {
    case .binary: receiver.receivedBytes(payload, on: self)
    case .text:
      payload.withUnsafeBytes { bytes in
        // The core has validated it.
        receiver.receivedText(UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span), on: self)
      }
    }
  }

  /// Holds back what the peer sends further, while the transport takes nothing.
  func pauseWhileUnwritable() {
    held.batchBytes = 0
    writeOutput()
    isPaused = context?.channel.isWritable == false && localCause == nil && closed == nil
  }
}
#endif
