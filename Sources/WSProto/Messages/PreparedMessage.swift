// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A message for many connections: encoded once, and compressed once for each set of negotiated parameters.
///
/// ```swift
/// let news = PreparedMessage(text: "…")
/// for connection in connections { try connection.send(news, into: &output) }
/// ```
///
/// A value that can be shared between threads. A server's frame is the same for all connections with the same
/// parameters; a client masks a copy for each send (RFC 6455 §5.3).
///
/// After a compressed prepared message, a connection with context takeover compresses its next message
/// without history, because its compressor has not seen what the peer's window now holds (RFC 7692 §7.2.1).
public struct PreparedMessage: Sendable {
  let opcode: Opcode
  /// The payload as given.
  public let payload: Bytes
  /// Whether the message may be compressed, if compression was negotiated; see ``Message/compress``.
  public let compress: Bool

  private let cache = Cache()

  /// Compressed payloads by parameters. There are few, because most peers negotiate the same parameters.
  private final class Cache: Sendable {
    let entries = Mutex<[(parameters: DeflateSettings, payload: Bytes)]>([])
  }

  /// A text message.
  public init(text: String, compress: Bool = true) {
    self.init(opcode: .text, payload: Bytes(text), compress: compress)
  }

  /// A binary message.
  public init(bytes: Bytes, compress: Bool = true) {
    self.init(opcode: .binary, payload: bytes, compress: compress)
  }

  private init(opcode: Opcode, payload: Bytes, compress: Bool) {
    self.opcode = opcode
    self.payload = payload
    self.compress = compress
  }

  /// The payload compressed with these parameters, without history.
  func compressed(_ parameters: DeflateSettings) throws(LocalProtocolError) -> Bytes {
    if let known = cache.entries.withLock({ $0.first { $0.parameters == parameters }?.payload }) {
      return known
    }
    // Outside the lock: two threads may both compress, and one result is kept.
    let made = try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try OutboundDeflate.compressOnce(bytes, parameters)
    }
    return cache.entries.withLock { entries in
      if let known = entries.first(where: { $0.parameters == parameters }) { return known.payload }
      entries.append((parameters, made))
      return made
    }
  }
}

extension Bytes {
  /// The bytes. They don't move while this value, or a copy of it, exists.
  var lasting: UnsafeRawBufferPointer {
    withUnsafeBytes { $0 }
  }
}
