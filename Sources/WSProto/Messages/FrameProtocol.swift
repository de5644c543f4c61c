// SPDX-License-Identifier: Apache-2.0

/// Both directions of the framing layer, without the states of a connection (RFC 6455 §5).
///
/// ``Connection`` uses the same parts and adds the closing handshake. This class doesn't check what it sends
/// against what it received: it would, for example, send a message after a Close.
public final class FrameProtocol {
  /// Whether this end is the client.
  public let client: Bool
  /// The extensions in use.
  public let extensions: [any Extension]

  private var buffer = ReceiveBuffer()
  private var inbound: InboundPipeline
  private var outbound: OutboundPipeline
  private var failure: ParseFailed?

  /// Creates a framing layer. Extensions that aren't enabled are ignored. Frames are returned as their bytes
  /// arrive, whatever ``Configuration/delivery`` says.
  public init(client: Bool, extensions: [any Extension] = [], configuration: Configuration = Configuration())
  {
    self.client = client
    self.extensions = extensions.filter { $0.enabled() }
    let role: ConnectionType = client ? .client : .server
    var settings = configuration
    settings.delivery = .chunks
    let inUse = ExtensionsInUse(extensions)
    inbound = InboundPipeline(
      role: role,
      transform: InboundTransform(role: role, inUse),
      configuration: settings
    )
    outbound = OutboundPipeline(
      role: role,
      transform: OutboundTransform(role: role, inUse),
      configuration: settings
    )
  }

  // MARK: Receiving

  /// Takes received bytes; call ``nextFrame()`` or ``receivedFrames()`` afterwards. After a Close or a
  /// failure the bytes are dropped.
  ///
  /// Take all frames before you pass more bytes: unlike in ``Connection``, what waits is not limited.
  public func receiveBytes<S: Sequence>(_ data: S) where S.Element == UInt8 {
    guard failure == nil, !inbound.isFinished else { return }
    withBytes(of: data) { buffer.append($0, expected: inbound.expectedBytes) }
  }

  /// The next frame or part of one: data frames with the type of their message and validated text, a Close
  /// with its code and reason. `nil` if more bytes are needed, and always after a Close.
  ///
  /// - Throws: `ParseFailed`, and again on every later call; close the connection with its code.
  public func nextFrame() throws(ParseFailed) -> Frame? {
    if let failure { throw failure }
    do throws(ParseFailed) {
      let base = buffer.base ?? ReceiveBuffer.emptyWindow
      if let part = try inbound.next(base, &buffer.head, buffer.tail, keeps: true) {
        return frame(part, base)
      }
      inbound.settle()
      if inbound.isFinished { buffer.removeAll() } else { buffer.settle() }
      return nil
    } catch {
      failure = error
      inbound.settle()
      buffer.removeAll()
      throw error
    }
  }

  private func frame(_ part: InboundPart, _ base: UnsafeMutableRawPointer) -> Frame {
    let payload: Frame.Payload
    let opcode: Opcode
    switch part.kind {
    case .text:
      opcode = .text
      payload = .text(text(of: part, base))
    case .binary:
      opcode = .binary
      payload = .bytes(inbound.takeBytes(of: part, sharing: buffer.window))
    case .ping:
      opcode = .ping
      payload = .bytes(inbound.takeBytes(of: part, sharing: buffer.window))
    case .pong:
      opcode = .pong
      payload = .bytes(inbound.takeBytes(of: part, sharing: buffer.window))
    case .close:
      opcode = .close
      payload = .close(part.code, text(of: part, base))
      buffer.removeAll()
    }
    return Frame(
      opcode: opcode,
      payload: payload,
      frameFinished: part.payload.frameFinished,
      messageFinished: part.messageFinished
    )
  }

  private func text(of part: InboundPart, _ base: UnsafeMutableRawPointer) -> String {
    inbound.withBytes(of: part, window: base) { bytes in
      // The pipeline has validated it.
      String(copying: UTF8Span(unchecked: bytes.bindMemory(to: UInt8.self).span))
    }
  }

  /// All frames in the bytes received so far.
  ///
  /// - Throws: `ParseFailed`; frames before the failure are then lost, so prefer ``nextFrame()``.
  public func receivedFrames() throws(ParseFailed) -> [Frame] {
    var frames: [Frame] = []
    while let frame = try nextFrame() { frames.append(frame) }
    return frames
  }

  // MARK: Sending

  /// A binary message, or a part of one.
  ///
  /// - Throws: `LocalProtocolError` inside an unfinished text message (RFC 6455 §5.4).
  public func sendData(_ payload: Bytes = Bytes(), fin: Bool = true) throws(LocalProtocolError) -> [UInt8] {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try written(outbound.message(.binary, bytes, finished: fin, compress: true))
    }
  }

  /// A text message, or a part of one.
  ///
  /// - Throws: `LocalProtocolError` inside an unfinished binary message (RFC 6455 §5.4).
  public func sendData(_ payload: String, fin: Bool = true) throws(LocalProtocolError) -> [UInt8] {
    try payload.utf8Span.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try written(outbound.message(.text, bytes, finished: fin, compress: true))
    }
  }

  /// A ping.
  ///
  /// - Throws: `LocalProtocolError` for more than 125 bytes (RFC 6455 §5.5).
  public func ping(_ payload: Bytes = Bytes()) throws(LocalProtocolError) -> [UInt8] {
    try control(.ping, payload)
  }

  /// A pong.
  ///
  /// - Throws: `LocalProtocolError` for more than 125 bytes (RFC 6455 §5.5).
  public func pong(_ payload: Bytes = Bytes()) throws(LocalProtocolError) -> [UInt8] {
    try control(.pong, payload)
  }

  /// A Close frame. 1005 sends an empty one; 1006 and 1015 send 1000; the reason is cut to 123 bytes between
  /// characters.
  ///
  /// - Throws: `LocalProtocolError` for a code that is not legal, or a reason without a code (RFC 6455 §7.4).
  public func close(code: CloseReason? = nil, reason: String? = nil) throws(LocalProtocolError) -> [UInt8] {
    try control(.close, Bytes(ClosePayload.make(code: code, reason: reason)))
  }

  private func control(_ opcode: Opcode, _ payload: Bytes) throws(LocalProtocolError) -> [UInt8] {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try written(outbound.control(opcode, bytes))
    }
  }

  private func written(_ frame: OutboundFrame) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try frame.write(into: &output)
    outbound.settle()
    return output
  }
}
