// SPDX-License-Identifier: Apache-2.0

/// Limits on what a peer may make this end hold or do. Sizes are in bytes. Each limit has its own error;
/// those about size close with 1009 (RFC 6455 §7.4.1, §10.4).
public struct Limits: Sendable, Hashable {
  /// The size of a handshake message's head, including the request line or status line. Default 16 KiB.
  public var maxHeadBytes: Int = 16 << 10
  /// The number of fields in a handshake message's head. Default 100.
  public var maxHeadFields: Int = 100
  /// How much a client may send after its request before the server has decided on it. Bytes in the same read
  /// as the end of the request are always kept, and so is the read that exceeds the limit. A server that
  /// takes the events of each read, and decides before the next one, never reaches it. Default 64 KiB.
  public var maxEarlyBytes: Int = 64 << 10
  /// How many received bytes may wait for ``WebSocketEndpoint/nextEvent()``. Beyond that,
  /// ``WebSocketEndpoint/receiveData(_:)-(UnsafeRawBufferPointer)`` takes nothing until events are taken. The
  /// bytes of the current call don't count, nor does the beginning of an incomplete frame, so a caller that
  /// takes all events after each read never reaches the limit. Default 16 MiB.
  public var maxUntakenBytes: Int = 16 << 20
  /// The payload of one frame, as declared in its header; a larger one is refused before a byte of it is
  /// read. Default 16 MiB.
  public var maxFramePayload: Int = 16 << 20
  /// A message on the wire: the payloads and headers of its frames, before inflation. Default 64 MiB.
  public var maxMessageWireBytes: Int = 64 << 20
  /// A message as delivered, after inflation. Default 64 MiB.
  public var maxMessageBytes: Int = 64 << 20
  /// The number of frames per message. Default 131 072.
  public var maxMessageFragments: Int = 1 << 17

  /// The size of a part of a compressed message, if messages are delivered in parts: how much is inflated at
  /// a time. Parts of uncompressed messages are as large as the bytes received at once. Default 64 KiB.
  public var maxPartBytes: Int = 64 << 10

  /// The defaults.
  public init() {}

  /// The defaults, except for a message (before and after inflation) and a frame of at most `bytes`.
  public init(maxMessageBytes bytes: Int) {
    maxFramePayload = bytes
    maxMessageBytes = bytes
    // Room for the headers of some fragments, which also count.
    maxMessageWireBytes = bytes.addingReportingOverflow(64 << 10).overflow ? .max : bytes + (64 << 10)
  }
}

/// How messages are delivered.
public enum MessageDelivery: Sendable, Hashable {
  /// As the bytes arrive, like wsproto: parts with `messageFinished == false`, then the last one.
  case chunks
  /// Each message once, when it is complete; memory grows to at most ``Limits/maxMessageBytes``.
  case wholeMessages
}
