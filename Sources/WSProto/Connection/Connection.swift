// SPDX-License-Identifier: Apache-2.0

/// One end of an open WebSocket connection, without its handshake (RFC 6455 §5–§7).
///
/// Use it by itself where the handshake is done elsewhere: HTTP/2 (RFC 8441), HTTP/3 (RFC 9220), an HTTP server with
/// an upgrade of its own, a test. ``WSConnection`` adds the HTTP/1.1 handshake. The calls are those of
/// ``WebSocketEndpoint``.
public final class Connection: WebSocketEndpoint {
  /// The role of this end.
  public let type: ConnectionType

  /// Those that the connection was made with, as negotiated. Only those ``Extension/enabled()`` are in use; their frame
  /// hooks work on copies, so nothing here moves with the frames.
  public let extensions: [any Extension]

  // The runtime's exclusivity checks cost as much as decoding a small frame. They're replaced by the two flags: code
  // of others (the closure of `receive`, hooks, a random source) runs only between `begin…` and `end…`, which refuse to
  // be entered twice. `machine` is touched by methods that call nothing.
  @exclusivity(unchecked) var machine: ConnectionStateMachine
  @exclusivity(unchecked) var inbound: InboundPipeline
  @exclusivity(unchecked) var outbound: OutboundPipeline
  @exclusivity(unchecked) var buffer = ReceiveBuffer()
  /// The transport has ended behind the bytes in `buffer`.
  @exclusivity(unchecked) var endOfStream = false
  /// What has come by `receiveData` since all events were last taken, in bytes; some of it may have been read since.
  @exclusivity(unchecked) var untaken = 0
  let maxUntakenBytes: Int
  /// What is answered automatically; `nil` if nothing is.
  let replies: Replies?
  @exclusivity(unchecked) private var isReceiving = false
  /// What a call that sends finds: one test, in front of each.
  @exclusivity(unchecked) private(set) var gate = SendGate.open
  /// What the gate is when no call is sending: open, or a pong waits.
  @exclusivity(unchecked) private var gateAtRest = SendGate.open

  enum SendGate {
    /// A frame can be made and written at once.
    case open
    /// The newest ping's pong waits in ``replies``, and goes first.
    case pongFirst
    /// A call is sending.
    case busy
  }

  /// See ``WebSocketEndpoint/failure``.
  public private(set) var failure: ParseFailed?

  /// An open connection.
  ///
  /// - Parameters:
  ///   - type: the role of this end.
  ///   - extensions: those negotiated; those not ``Extension/enabled()`` are ignored.
  ///   - trailingData: bytes that came after the handshake in the same read.
  ///   - configuration: limits, delivery, randomness.
  ///   - deflatePool: where the contexts of a compression without context takeover come from, and go back to after each
  ///     message: one for all connections of an event loop.
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
  }

  /// See ``WebSocketEndpoint/state``.
  public var state: ConnectionState { machine.publicState }

  /// The raw bytes that were received and not read yet, which leave the connection: for a relay that takes the transport
  /// over after the handshake. The connection must not receive any further.
  public func takeUnreadBytes() -> Bytes {
    defer { buffer.removeAll() }
    guard let base = buffer.base else { return Bytes() }
    return Bytes(copying: UnsafeRawBufferPointer(start: base + buffer.head, count: buffer.count))
  }

  /// Gives the memory back that the process keeps for the next connection with large frames: 3 MiB at most, whatever
  /// the number of connections. For programs that are told that memory is short. Safe to call from any thread.
  public static func releaseSpareMemory() { SpareStorage.removeAll() }

  /// The peer's bytes have violated the protocol.
  func fail(_ failed: ParseFailed) {
    failure = failed
    move(.fail)
    answer(failure: failed)
  }

  /// The state moves by what was received.
  func move(_ input: ConnectionStateMachine.Input) {
    machine.applyIfLegal(input)
    // After both Closes there are no pongs (RFC 6455 §5.5.2).
    if machine.state == .closed { pongWaits = false }
  }

  /// Whether the newest ping's pong waits in ``replies``.
  var pongWaits: Bool {
    get { gateAtRest == .pongFirst }
    set {
      gateAtRest = newValue ? .pongFirst : .open
      if gate != .busy { gate = gateAtRest }
    }
  }

  // MARK: One call at a time

  /// Whether a call is under way: a hook, a random source or the closure of a borrowed door runs inside of one.
  package var isBusy: (receiving: Bool, sending: Bool) { (isReceiving, gate == .busy) }

  static var reentrance: LocalProtocolError {
    LocalProtocolError("an extension or a random source calls back into its connection", .reentrance)
  }

  /// Before anything touches the inbound half by a call that cannot throw.
  @inline(__always)
  func beginReceiving() {
    precondition(!isReceiving, "the closure of receive(_:_:), or a hook, must not receive on its connection")
    isReceiving = true
  }

  @inline(__always)
  func endReceiving() { isReceiving = false }

  /// Makes one frame and writes it. Not to be called where ``gate`` is busy: a hook that calls back is refused before.
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
