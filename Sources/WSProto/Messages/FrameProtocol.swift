// SPDX-License-Identifier: Apache-2.0

/// Both directions of the framing layer without any state of a connection: the low-level door under ``Connection``.
///
/// What it sends is not checked against what was received: it would send a message after a Close.
public final class FrameProtocol {
  /// Whether this end is the client.
  public let client: Bool
  /// The extensions in use.
  public let extensions: [any Extension]

  private let frameDecoder: FrameDecoder
  private var messageDecoder = MessageDecoder()
  private var outbound: OutboundPipeline
  private var closed = false
  private var failure: ParseFailed?

  /// A framing layer; extensions that aren't enabled are ignored.
  public init(client: Bool, extensions: [any Extension] = [], configuration: Configuration = Configuration())
  {
    self.client = client
    self.extensions = extensions.filter { $0.enabled() }
    frameDecoder = FrameDecoder(client: client, extensions: extensions, limits: configuration.limits)
    let role: ConnectionType = client ? .client : .server
    outbound = OutboundPipeline(
      role: role,
      transform: OutboundTransform(role: role, ExtensionsInUse(extensions)),
      configuration: configuration
    )
  }

  // MARK: Receiving

  /// Takes received bytes; call ``nextFrame()`` or ``receivedFrames()`` afterwards.
  public func receiveBytes<S: Sequence>(_ data: S) where S.Element == UInt8 {
    frameDecoder.receiveBytes(data)
  }

  /// The next frame or part of one: data frames with the type of their message and validated text, a Close with its
  /// code and reason. `nil` when more bytes are needed, and always after a Close.
  ///
  /// - Throws: `ParseFailed`, again on every later call; close the connection with its code.
  public func nextFrame() throws(ParseFailed) -> Frame? {
    if let failure { throw failure }
    do throws(ParseFailed) {
      return try readFrame()
    } catch {
      failure = error
      throw error
    }
  }

  private func readFrame() throws(ParseFailed) -> Frame? {
    guard !closed,
      let frame = try frameDecoder.processBuffer(checkOrder: {
        [messageDecoder] (opcode) throws(ParseFailed) in try messageDecoder.checkOrder(opcode)
      })
    else { return nil }
    switch frame.opcode {
    case .text, .binary, .continuation: return try messageDecoder.processFrame(frame)
    case .ping, .pong: return frame
    case .close:
      guard case .bytes(let payload) = frame.payload else { return frame }
      let code = try payload.withUnsafeBytes { (bytes) throws(ParseFailed) in try ClosePayload.parse(bytes) }
      closed = true
      return Frame(
        opcode: .close,
        payload: .close(code, String(decoding: payload.dropFirst(2), as: UTF8.self)),
        frameFinished: true,
        messageFinished: true
      )
    }
  }

  /// All frames that the bytes received so far give.
  ///
  /// - Throws: `ParseFailed`; the frames before the failure are lost then, so prefer ``nextFrame()``.
  public func receivedFrames() throws(ParseFailed) -> [Frame] {
    var frames: [Frame] = []
    while let frame = try nextFrame() { frames.append(frame) }
    return frames
  }

  // MARK: Sending

  /// A binary message, or a part of one.
  ///
  /// - Throws: `LocalProtocolError` if a text message is under way (RFC 6455 §5.4).
  public func sendData(_ payload: Bytes = Bytes(), fin: Bool = true) throws(LocalProtocolError) -> [UInt8] {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (output) throws(LocalProtocolError) in
        try outbound.message(.binary, bytes, finished: fin, compress: true, into: &output)
      }
    }
  }

  /// A text message, or a part of one.
  ///
  /// - Throws: `LocalProtocolError` if a binary message is under way (RFC 6455 §5.4).
  public func sendData(_ payload: String, fin: Bool = true) throws(LocalProtocolError) -> [UInt8] {
    try payload.utf8Span.span.bytes.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (output) throws(LocalProtocolError) in
        try outbound.message(.text, bytes, finished: fin, compress: true, into: &output)
      }
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

  /// A Close. 1005 sends an empty one; 1006 and 1015 send 1000; the reason is cut to 123 bytes at a character's end.
  ///
  /// - Throws: `LocalProtocolError` for a code that is not legal, or a reason without a code (RFC 6455 §7.4).
  public func close(code: CloseReason? = nil, reason: String? = nil) throws(LocalProtocolError) -> [UInt8] {
    try sending { (output) throws(LocalProtocolError) in
      try outbound.close(code: code, reason: reason, into: &output)
    }
  }

  private func control(_ opcode: Opcode, _ payload: Bytes) throws(LocalProtocolError) -> [UInt8] {
    try payload.withUnsafeBytes { (bytes) throws(LocalProtocolError) in
      try sending { (output) throws(LocalProtocolError) in
        try outbound.control(opcode, bytes, into: &output)
      }
    }
  }

  private func sending(
    _ body: (inout [UInt8]) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) -> [UInt8] {
    var output: [UInt8] = []
    try body(&output)
    return output
  }
}
