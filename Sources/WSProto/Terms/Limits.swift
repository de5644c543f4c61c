// SPDX-License-Identifier: Apache-2.0

/// What a peer may make this end hold or do. Sizes in bytes. Each limit fails with an error of its own; those about
/// size close with 1009 (RFC 6455 §7.4.1, §10.4).
public struct Limits: Sendable, Hashable {
  /// The head of a handshake message, request line or status line included. Default 16 KiB.
  public var maxHeadBytes: Int = 16 << 10
  /// Fields in the head of a handshake message. Default 100.
  public var maxHeadFields: Int = 100
  /// What a client may send behind its request before the server has decided on it. What came in the same read as the
  /// end of the request is always kept, and so is the read that goes beyond the limit: a server that takes the events
  /// of each read and decides before the next one never meets it. Default 64 KiB.
  public var maxEarlyBytes: Int = 64 << 10
  /// Received bytes whose events nobody takes: what waits for ``WebSocketEndpoint/nextEvent()``. More than that, and
  /// ``WebSocketEndpoint/receiveData(_:)-(UnsafeRawBufferPointer)`` takes nothing until events were taken. What a call
  /// brings is not held against it, nor what has come of a frame that isn't complete: a caller that takes all events
  /// after each read never meets it. Default 16 MiB.
  public var maxUntakenBytes: Int = 16 << 20
  /// The payload of one frame, as declared in its header: refused before a byte of it is read. Default 16 MiB.
  public var maxFramePayload: Int = 16 << 20
  /// A message on the wire: the payloads and headers of its frames, before inflation. Default 64 MiB.
  public var maxMessageWireBytes: Int = 64 << 20
  /// A message as delivered, after inflation. Default 64 MiB.
  public var maxMessageBytes: Int = 64 << 20
  /// Frames a message. Default 131 072.
  public var maxMessageFragments: Int = 1 << 17

  /// A part of a compressed message in delivery by parts: what inflating gives at a time. Parts that were not compressed
  /// are as large as the bytes that were received at once. Default 64 KiB.
  public var maxPartBytes: Int = 64 << 10

  /// The defaults.
  public init() {}

  /// The defaults, but for a message (before and after inflation) and a frame of at most `bytes`.
  public init(maxMessageBytes bytes: Int) {
    maxFramePayload = bytes
    maxMessageBytes = bytes
    // Room for the headers of some fragments, which are charged to the message too.
    maxMessageWireBytes = bytes.addingReportingOverflow(64 << 10).overflow ? .max : bytes + (64 << 10)
  }
}

/// How messages are handed to the caller.
public enum MessageDelivery: Sendable, Hashable {
  /// As the bytes arrive, like wsproto: parts with `messageFinished == false`, then the last one.
  case chunks
  /// Each message once, when it is complete; memory grows to ``Limits/maxMessageBytes`` at most.
  case wholeMessages
}
