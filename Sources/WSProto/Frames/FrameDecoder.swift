// SPDX-License-Identifier: Apache-2.0

/// Decodes bytes into frames (RFC 6455 §5.2) and runs the extensions on them: the receiving half of
/// ``FrameProtocol``, without messages.
///
/// Call ``receiveBytes(_:)``, then ``processBuffer()`` until it returns `nil`. Data frames are returned in
/// parts as their bytes arrive: the first part with the opcode on the wire, later ones as `.continuation`,
/// the last with `frameFinished`. Control frames are returned whole. The order of the frames in a message is
/// checked by ``MessageDecoder``.
public final class FrameDecoder {
  /// Whether this end is the client, which accepts only unmasked frames; a server accepts only masked ones
  /// (§5.1).
  public let client: Bool

  private var buffer = ReceiveBuffer()
  private var stage: FrameStage
  private let maxPartBytes: Int
  private var isFirstPart = true
  private var failure: ParseFailed?

  /// Creates a decoder. Extensions that aren't enabled are ignored.
  public init(client: Bool, extensions: [any Extension] = [], limits: Limits = Limits()) {
    self.client = client
    maxPartBytes = max(1, limits.maxPartBytes)
    let role: ConnectionType = client ? .client : .server
    stage = FrameStage(
      role: role,
      transform: InboundTransform(role: role, ExtensionsInUse(extensions)),
      limits: limits
    )
  }

  /// Takes received bytes, with one copy. After a failure they are dropped.
  public func receiveBytes<S: Sequence>(_ data: S) where S.Element == UInt8 {
    guard failure == nil else { return }
    withBytes(of: data) { buffer.append($0, expected: stage.reader.expectedBytes) }
  }

  /// The next frame, or the next part of one; `nil` when more bytes are needed.
  ///
  /// - Throws: `ParseFailed`, and again on every later call: nothing is read after a violation.
  public func processBuffer() throws(ParseFailed) -> Frame? {
    if let failure { throw failure }
    do throws(ParseFailed) {
      if let frame = try readFrame() { return frame }
      if let failure { throw failure }
      stage.settle(keepsAssembly: false)
      buffer.settle()
      return nil
    } catch {
      failure = error
      buffer.removeAll()
      stage.settle(keepsAssembly: false)
      throw error
    }
  }

  private func readFrame() throws(ParseFailed) -> Frame? {
    stage.clear(keepsAssembly: false)
    let base = buffer.base ?? ReceiveBuffer.emptyWindow
    if stage.reader.frame == nil {
      guard let header = try stage.beginFrame(base, &buffer.head, buffer.tail) else { return nil }
      if !header.opcode.isControl {
        isFirstPart = true
        try stage.chargeFrame(header, startsMessage: header.opcode != .continuation)
      }
    }
    guard let header = stage.reader.frame?.header else { return nil }
    if header.opcode.isControl {
      guard let part = try stage.takeControl(base, &buffer.head, buffer.tail) else { return nil }
      return frame(header, part, base)
    }
    guard stage.isTransformed else {
      guard let part = stage.takePlain(&buffer.head, buffer.tail) else { return nil }
      if part.key != 0 { Masking.apply(part.key, to: base + part.offset, count: part.count) }
      return frame(header, part, base)
    }
    let expansion = stage.expand(base, &buffer.head, buffer.tail, atMost: maxPartBytes)
    // Return what was decoded before the failure; the next call throws the failure.
    failure = expansion.failure
    guard stage.assembly.count > 0 || expansion.frameFinished else { return nil }
    let part = PayloadPart(
      place: .assembly,
      offset: 0,
      count: stage.assembly.count,
      frameFinished: expansion.frameFinished
    )
    return frame(header, part, base)
  }

  private func frame(_ header: Header, _ part: PayloadPart, _ base: UnsafeMutableRawPointer) -> Frame {
    let isFirst = isFirstPart || header.opcode.isControl
    if !header.opcode.isControl { isFirstPart = false }
    return Frame(
      opcode: isFirst ? header.opcode : .continuation,
      payload: .bytes(stage.withBytes(of: part, window: base) { Bytes(copying: $0) }),
      frameFinished: part.frameFinished,
      messageFinished: header.fin
    )
  }
}
