// SPDX-License-Identifier: Apache-2.0

/// One end of an open WebSocket connection, without its handshake (RFC 6455 §5–§7).
///
/// Use it directly if the handshake is done elsewhere: HTTP/2 (RFC 8441), HTTP/3 (RFC 9220), an HTTP server
/// with its own upgrade, a test. ``WSConnection`` adds the HTTP/1.1 handshake. Its methods are those of
/// ``WebSocketEndpoint``.
public final class Connection: WebSocketEndpoint {
  /// The role of this end.
  public let type: ConnectionType

  /// The extensions passed to the initialiser, as negotiated. Only those that are ``Extension/enabled()`` are
  /// used. Their frame hooks work on copies, so these values don't change.
  public let extensions: [any Extension]

  // The runtime's exclusivity checks cost as much as decoding a small frame. Two flags replace them: other
  // code (the closures of `receive`, hooks, a random source) runs only between `begin…` and `end…`, which
  // can't be entered twice. `machine` is only used by methods that call no other code.
  @exclusivity(unchecked) var machine: ConnectionStateMachine { didSet { updateSendsAtOnce() } }
  @exclusivity(unchecked) var inbound: InboundPipeline
  @exclusivity(unchecked) var outbound: OutboundPipeline
  @exclusivity(unchecked) var buffer = ReceiveBuffer()
  /// The transport has ended after the bytes in `buffer`.
  @exclusivity(unchecked) var endOfStream = false
  /// How many bytes `receiveData` has taken since all events were last taken; some of them may have been read
  /// since.
  @exclusivity(unchecked) var untaken = 0
  let maxUntakenBytes: Int
  /// The automatic replies; `nil` if there are none.
  let replies: Replies?
  @exclusivity(unchecked) @usableFromInline var isReceiving = false
  /// What a call that sends finds: one test, in front of each but the smallest (``sendsAtOnce``).
  @exclusivity(unchecked) private(set) var gate = SendGate.open { didSet { updateSendsAtOnce() } }
  /// The state of the gate when no call is sending: open, or a pong waits.
  @exclusivity(unchecked) private var gateAtRest = SendGate.open

  /// Whether a whole message is now its header, unmasked, and its payload, and nothing goes out first. Kept, because it
  /// is asked in the caller's module, for every message.
  @exclusivity(unchecked) @usableFromInline private(set) var sendsAtOnce = false

  // Called when `machine` or `gate` has changed; `outbound.isPlain` only changes while the gate is busy. The gate is asked
  // first: while it is busy, a hook may change `machine`, and `outbound` is in use.
  private func updateSendsAtOnce() {
    sendsAtOnce = gate == .open && machine.state == .open && outbound.isPlain && type == .server
  }

  enum SendGate {
    /// A frame can be made and written at once.
    case open
    /// The pong for the newest ping waits in ``replies`` and is sent first.
    case pongFirst
    /// A call is sending.
    case busy
  }

  /// Whether messages may still be sent when the peer has closed or failed, before this end's Close (RFC 6455 §5.5.1):
  /// for answers to what came before. wsproto doesn't allow it.
  @exclusivity(unchecked) package var sendsUntilClose = false

  /// See ``WebSocketEndpoint/failure``.
  public private(set) var failure: ParseFailed?

  /// Creates an open connection.
  ///
  /// - Parameters:
  ///   - type: the role of this end.
  ///   - extensions: the negotiated extensions; those not ``Extension/enabled()`` are ignored.
  ///   - trailingData: bytes that arrived after the handshake in the same read.
  ///   - configuration: limits, delivery, randomness.
  ///   - deflatePool: where contexts for compression without context takeover are taken from, and returned to
  ///     after each message. Use one pool for all connections of an event loop.
  public init(
    _ type: ConnectionType,
    extensions: [any Extension] = [],
    trailingData: Bytes = Bytes(),
    configuration: Configuration = Configuration(),
    deflatePool: DeflatePool? = nil
  ) {
    self.type = type
    self.extensions = extensions
    machine = ConnectionStateMachine(state: .open)
    maxUntakenBytes = configuration.limits.maxUntakenBytes
    replies = Replies.make(configuration.automaticReplies)
    let inUse = ExtensionsInUse(extensions)
    inbound = InboundPipeline(
      role: type,
      transform: InboundTransform(role: type, inUse, pool: deflatePool),
      configuration: configuration
    )
    outbound = OutboundPipeline(
      role: type,
      transform: OutboundTransform(role: type, inUse, pool: deflatePool),
      configuration: configuration
    )
    trailingData.withUnsafeBytes { buffer.append($0) }
    updateSendsAtOnce()
  }

  /// See ``WebSocketEndpoint/state``.
  public var state: ConnectionState { machine.publicState }

  /// Takes the received bytes that have not been read yet out of the connection, for a relay that takes over
  /// the transport after the handshake. The connection must not receive anything afterwards.
  ///
  /// Traps inside the closure of `receive`, and inside a hook that runs in it: the bytes are being read there.
  public func takeUnreadBytes() -> Bytes {
    beginReceiving()
    defer {
      buffer.removeAll()
      endReceiving()
    }
    guard let base = buffer.base else { return Bytes() }
    return Bytes(copying: UnsafeRawBufferPointer(start: base + buffer.head, count: buffer.count))
  }

  /// Releases the memory that the process keeps for connections with large frames: at most 3 MiB, whatever
  /// the number of connections. For programs that are notified of low memory. Safe to call from any thread.
  ///
  /// Each thread that receives also keeps at most 53 KiB until it ends; of these, the calling thread's are released.
  public static func releaseSpareMemory() { SpareStorage.removeAll() }

  /// Called when the peer's bytes have violated the protocol, or a hook has refused them.
  ///
  /// - Returns: the failure to report. 1011 takes the place of a hook's code that no Close may carry (RFC 6455 §7.4):
  ///   otherwise the connection could not be closed.
  func fail(_ failed: ParseFailed) -> ParseFailed {
    let failed = failed.code.isSendable ? failed : ParseFailed(failed.message, .internalError)
    failure = failed
    move(.fail)
    answer(failure: failed)
    return failed
  }

  /// Changes the state because of something received.
  func move(_ input: ConnectionStateMachine.Input) {
    machine.applyIfLegal(input)
    if machine.state == .closed { pongWaits = false }
  }

  /// Whether the newest ping's pong waits in ``replies``. Never after both Closes (RFC 6455 §5.5.2), not even if a
  /// hook has received the second one inside of a call that fails and leaves its pong waiting.
  var pongWaits: Bool {
    get { gateAtRest == .pongFirst }
    set {
      gateAtRest = newValue && machine.state != .closed ? .pongFirst : .open
      if gate != .busy { gate = gateAtRest }
    }
  }

  // MARK: One call at a time

  /// Whether a call is running: then a hook, a random source or the closure of `receive` is running inside it.
  package var isBusy: (receiving: Bool, sending: Bool) { (isReceiving, gate == .busy) }

  static var reentrance: LocalProtocolError {
    LocalProtocolError("an extension or a random source calls back into its connection", .reentrance)
  }

  /// Called before a call that cannot throw changes the inbound half.
  @inlinable @inline(__always)
  func beginReceiving() {
    precondition(!isReceiving, "the closure of receive(_:_:), or a hook, must not receive on its connection")
    isReceiving = true
  }

  @inlinable @inline(__always)
  func endReceiving() { isReceiving = false }

  /// Makes one frame and writes it. Must not be called while ``gate`` is busy: a hook that calls back is
  /// refused before.
  @inline(__always)
  func sending(
    _ make: (inout OutboundPipeline) throws(LocalProtocolError) -> OutboundFrame,
    _ write: (OutboundFrame) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    gate = .busy
    defer { gate = gateAtRest }
    try write(try make(&outbound))
    outbound.settle()
  }
}
