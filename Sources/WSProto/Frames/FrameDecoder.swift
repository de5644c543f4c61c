// SPDX-License-Identifier: Apache-2.0

/// Bytes → frames, with the frame hooks of extensions: the low-level door of the receiving side (RFC 6455 §5.2).
///
/// ``receiveBytes(_:)``, then ``processBuffer()`` until it gives `nil`. Data frames come in parts as their bytes
/// arrive: the first with the opcode on the wire, later ones as `.continuation`, the last with `frameFinished`. Control
/// frames come whole. The order of frames in a message is the ``MessageDecoder``'s matter.
public final class FrameDecoder {
  /// Whether this end is the client, which takes unmasked frames only; a server takes masked ones only (§5.1).
  public let client: Bool

  private var reader: FrameReader
  private var buffer = ReceiveBuffer()
  private let hooks: InboundHooks
  private let transform: InboundTransform
  private let limits: Limits
  private var control: [UInt8] = []
  private var isFirstPart = true
  private var failure: ParseFailed?
  /// What the message under way has given, for the hooks' budget.
  private var messageBytes = 0

  /// A decoder; extensions that aren't enabled are ignored.
  public init(client: Bool, extensions: [any Extension] = [], limits: Limits = Limits()) {
    self.client = client
    self.limits = limits
    let role: ConnectionType = client ? .client : .server
    reader = FrameReader(role: role)
    hooks = InboundHooks(role: role, extensions: extensions.filter { $0.enabled() })
    transform = .hooks(hooks)
  }

  /// Takes received bytes: one copy.
  public func receiveBytes<S: Sequence>(_ data: S) where S.Element == UInt8 {
    guard failure == nil else { return }
    withBytes(of: data) { buffer.append($0) }
  }

  /// The next frame, or the next part of one; `nil` when more bytes are needed.
  ///
  /// - Throws: `ParseFailed`, again on every later call: nothing that follows a violation is read.
  public func processBuffer() throws(ParseFailed) -> Frame? { try processBuffer(checkOrder: nil) }

  /// The next frame; `checkOrder` is asked about its header before anything is made of its payload.
  func processBuffer(checkOrder: ((Opcode) throws(ParseFailed) -> Void)?) throws(ParseFailed) -> Frame? {
    if let failure { throw failure }
    do throws(ParseFailed) {
      return try readFrame(checkOrder)
    } catch {
      failure = error
      buffer.removeAll()
      throw error
    }
  }

  private func readFrame(_ checkOrder: ((Opcode) throws(ParseFailed) -> Void)?) throws(ParseFailed) -> Frame?
  {
    guard let storage = buffer.window else { return nil }
    if !reader.inPayload {
      guard try reader.readHeader(storage.base, &buffer.head, buffer.tail) else { return nil }
      try transform.checkReservedBits(reader.header)
      try checkOrder?(reader.header.opcode)
      try checkFrameSize(reader.header, limits: limits)
      isFirstPart = true
      switch reader.header.opcode {
      case .text, .binary: messageBytes = 0
      case .continuation, .close, .ping, .pong: break
      }
    }
    let start = buffer.head
    let (count, key) = reader.takePayload(available: buffer.tail - start)
    if count == 0, reader.inPayload { return nil }
    // Takes no more than it was offered: the head stays at or before the tail.
    buffer.head += count
    if key != 0 { Masking.apply(key, to: storage.base + start, count: count) }
    let header = reader.header
    if header.opcode.isControl {
      // At most 125 bytes: the header was checked.
      control.append(contentsOf: UnsafeRawBufferPointer(start: storage.base + start, count: count))
      guard !reader.inPayload else { return nil }
      let whole = control
      control = []
      var data = AssemblyBuffer()
      try whole.span.bytes.withUnsafeBytes { (bytes) throws(ParseFailed) in
        try hooks.payload(
          bytes,
          opcode: header.opcode,
          frameFinished: true,
          fin: true,
          budget: FrameSizes.maxShortPayload,
          into: &data
        )
      }
      return Frame(
        opcode: header.opcode,
        payload: .bytes(data.take()),
        frameFinished: true,
        messageFinished: true
      )
    }
    // Never negative: the sum is checked below.
    let budget = limits.maxMessageBytes - messageBytes
    var data = AssemblyBuffer()
    var failed: ParseFailed?
    do throws(ParseFailed) {
      try hooks.payload(
        UnsafeRawBufferPointer(start: storage.base + start, count: count),
        opcode: header.opcode,
        frameFinished: !reader.inPayload,
        fin: header.fin,
        budget: budget,
        into: &data
      )
    } catch {
      failed = error
    }
    if data.count > budget {
      data.removeLast(data.count - budget)
      failed = ParseFailed("a message of more than \(limits.maxMessageBytes) bytes", .messageTooBig)
    }
    if let failed {
      // What came out before the failure comes first.
      if data.count == 0 { throw failed }
      failure = failed
      buffer.removeAll()
    }
    messageBytes += data.count
    defer { isFirstPart = false }
    return Frame(
      opcode: isFirstPart ? header.opcode : .continuation,
      payload: .bytes(data.take()),
      frameFinished: failed == nil && !reader.inPayload,
      messageFinished: header.fin
    )
  }
}
