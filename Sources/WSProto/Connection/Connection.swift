// SPDX-License-Identifier: Apache-2.0

/// One end of an open WebSocket connection, without its handshake (RFC 6455 §5–§7).
///
/// Use it by itself where the handshake is done elsewhere: HTTP/2 (RFC 8441), HTTP/3 (RFC 9220), an HTTP server with
/// an upgrade of its own, a test. ``WSConnection`` adds the HTTP/1.1 handshake.
///
/// The order of calls: ``receiveData(_:)-(RawSpan)`` with what came from the transport, then ``nextEvent()`` until it
/// gives `nil`; or, without any copy, `receive(_:_:)`. What ``send(_:)`` returns goes to the transport, always. After
/// a ``CloseConnection`` event answer with its `response()` if ``state`` is ``ConnectionState/remoteClosing``; when
/// ``state`` is ``ConnectionState/closed``, close the transport.
///
/// A reference type to be kept wherever it suits: it isn't thread-safe, so give it to one actor, event loop or thread.
/// Receiving and sending are separate inside: it's fine to send from the closure of `receive(_:_:)`.
public final class Connection {
  /// The role of this end.
  public let type: ConnectionType

  /// Whether this end is the client.
  public var client: Bool { type == .client }

  /// Those that the connection was made with, as negotiated. Only those ``Extension/enabled()`` are in use; their frame
  /// hooks work on copies, so nothing here moves with the frames.
  public var extensions: [any Extension] { deflate.map { [$0] } ?? given }

  private let given: [any Extension]
  /// Out of a list and its box where it's the only one, which makes a handshake cheaper.
  private let deflate: PerMessageDeflate?

  // The runtime's exclusivity checks cost as much as decoding a small frame. They're replaced by the two flags: code
  // of others (the closure of `receive`, hooks, a random source) runs only inside `receiving` and `sending`, which trap
  // when they're entered twice. `machine` is touched by methods that call nothing.
  @exclusivity(unchecked) var machine: ConnectionStateMachine
  @exclusivity(unchecked) var inbound: InboundPipeline
  @exclusivity(unchecked) private var outbound: OutboundPipeline
  @exclusivity(unchecked) var buffer = ReceiveBuffer()
  /// The transport has ended behind the bytes in `buffer`.
  @exclusivity(unchecked) var endOfStream = false
  @exclusivity(unchecked) private var isReceiving = false
  @exclusivity(unchecked) private var isSending = false

  /// An open connection.
  ///
  /// - Parameters:
  ///   - type: the role of this end.
  ///   - extensions: those negotiated; those not ``Extension/enabled()`` are ignored.
  ///   - trailingData: bytes that came after the handshake in the same read.
  ///   - configuration: limits, delivery, randomness.
  public convenience init(
    _ type: ConnectionType,
    extensions: [any Extension] = [],
    trailingData: Bytes = Bytes(),
    configuration: Configuration = Configuration()
  ) {
    self.init(
      type,
      given: extensions,
      deflate: nil,
      inUse: ExtensionsInUse(extensions),
      trailingData: trailingData,
      configuration: configuration
    )
  }

  /// An open connection that negotiated permessage-deflate or nothing.
  convenience init(
    _ type: ConnectionType,
    deflate: PerMessageDeflate,
    trailingData: Bytes,
    configuration: Configuration
  ) {
    self.init(
      type,
      given: [],
      deflate: deflate,
      inUse: ExtensionsInUse(deflate),
      trailingData: trailingData,
      configuration: configuration
    )
  }

  private init(
    _ type: ConnectionType,
    given: [any Extension],
    deflate: PerMessageDeflate?,
    inUse: ExtensionsInUse,
    trailingData: Bytes,
    configuration: Configuration
  ) {
    self.type = type
    self.given = given
    self.deflate = deflate
    machine = ConnectionStateMachine(state: .open)
    inbound = InboundPipeline(
      role: type,
      transform: InboundTransform(role: type, inUse),
      configuration: configuration
    )
    outbound = OutboundPipeline(
      role: type,
      transform: OutboundTransform(role: type, inUse),
      configuration: configuration
    )
    trailingData.withUnsafeBytes { buffer.append($0) }
  }

  /// Where the connection is in its life. Moves when an event is taken or sent.
  public var state: ConnectionState { machine.publicState }

  /// What the peer violated, if that ended the connection; `nil` otherwise, also after a Close of the peer's.
  ///
  /// Set when the failure's ``CloseConnection`` event is delivered, which looks like that of a Close. What the caller
  /// does next is the same in both cases (RFC 6455 §7.1.7); a log or a metric may want to tell them apart.
  public private(set) var failure: ParseFailed?

  /// The peer's bytes have violated the protocol.
  func fail(_ failed: ParseFailed) {
    failure = failed
    machine.fail()
  }

  /// Runs what touches the inbound half. Traps when entered from itself: a closure or a hook must not receive.
  @inline(__always)
  func receiving<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
    beginReceiving()
    defer { endReceiving() }
    return try body()
  }

  /// What ``receiving(_:)`` does, for generic functions on the hot path, where a closure more is a call more.
  @inline(__always)
  func beginReceiving() {
    precondition(!isReceiving, "the closure of receive(_:_:) must not receive on its connection")
    isReceiving = true
  }

  @inline(__always)
  func endReceiving() { isReceiving = false }

  /// Runs what touches the outbound half. Traps when entered from itself: a hook must not send.
  @inline(__always)
  func sending(
    _ body: (inout OutboundPipeline) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    precondition(!isSending, "a hook or a random source must not send on its connection")
    isSending = true
    defer { isSending = false }
    try body(&outbound)
  }
}
