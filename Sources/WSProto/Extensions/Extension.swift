// SPDX-License-Identifier: Apache-2.0

/// What an extension's frame hooks are told about their connection.
public struct FrameContext: Sendable, Hashable {
  /// The role of this end.
  public var role: ConnectionType
  /// The opcode on the wire: later frames of a message have ``Opcode/continuation``. Control frames may come
  /// between the frames of a message (RFC 6455 §5.4).
  public var opcode: Opcode
  /// Inbound: how many more bytes of the current message this extension may produce. A hook that expands its
  /// input produces at most one byte more than that, then fails with 1009. `Int.max` for outbound hooks.
  public var remainingMessageBytes: Int
  /// Outbound: whether the message may be compressed, as requested with its first part; see
  /// ``Message/compress``.
  public var compress: Bool

  /// Whether this end is the client.
  public var client: Bool { role == .client }

  /// A context.
  public init(
    role: ConnectionType,
    opcode: Opcode,
    remainingMessageBytes: Int = .max,
    compress: Bool = true
  ) {
    self.role = role
    self.opcode = opcode
    self.remainingMessageBytes = remainingMessageBytes
    self.compress = compress
  }
}

/// A WebSocket extension (RFC 6455 §9): its negotiation and its processing of frames.
///
/// A client puts it into ``Request/extensions``: ``offer()`` says what to offer, and ``finalize(_:)`` takes
/// the server's answer. A server puts it into ``AcceptConnection/extensions``: ``accept(_:)`` gets each offer
/// with this name, in order, until one is accepted.
///
/// An extension is a value. Each connection works on its own copies, one for each direction: the inbound
/// hooks are called on one, the outbound hooks on the other. The two don't share mutable state unless the
/// extension holds a reference. Every hook has a default that does nothing; implement the ones you need.
public protocol Extension: Sendable, Hashable {
  /// The registered name, as it appears in the header field (§9.1).
  var name: String { get }

  /// Whether the negotiation decided to use it. The frame hooks are called only then.
  func enabled() -> Bool

  /// Client: the parameters to offer. `nil` offers nothing; an empty list offers the bare name.
  func offer() -> [ExtensionParameter]?

  /// Client: several offers in order of preference. By default just ``offer()``.
  func offers() -> [[ExtensionParameter]]

  /// Server: decides on one offer of the client. Returns the parameters of the answer, or `nil` to decline
  /// this offer. An offer with an unknown, repeated or malformed parameter must be declined.
  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]?

  /// Client: takes the server's answer. Throws if it is not a legal answer to the offer; the handshake then
  /// fails.
  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError)

  /// A frame's header has arrived. Returns the reserved bits that this extension uses on it; a bit that no
  /// extension claims fails the connection. Throws to refuse the frame with a close code. If no Close may
  /// carry that code, the connection closes with 1011; the same holds for the hooks below.
  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits

  /// Processes a part of a frame's payload, already unmasked; appends its replacement to `output`. How the
  /// payload is split into parts has no meaning and must not affect the result.
  ///
  /// Parts that come from the wire have at most 1 KiB; the output of an extension later in the list is passed
  /// on in one piece. So a hook that makes a thousand bytes of each byte holds a megabyte, not a message.
  ///
  /// Throws to fail the connection with a close code; what was appended before is delivered first.
  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed)

  /// The frame is complete; `fin` is its FIN bit. Appends the rest of its payload, if any, to `output`. The
  /// extensions earlier in the list get it as a part of the payload, before this call is made on them.
  ///
  /// Throws to fail the connection with a close code; what was appended before is delivered first.
  mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed)

  /// A frame is about to be sent. Returns the reserved bits and the payload to send.
  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8])
}

extension Extension {
  /// Defaults to `false`.
  public func enabled() -> Bool { false }

  /// Defaults to `nil`: nothing is offered.
  public func offer() -> [ExtensionParameter]? { nil }

  /// Defaults to ``offer()`` alone.
  public func offers() -> [[ExtensionParameter]] { offer().map { [$0] } ?? [] }

  /// Declines by default.
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { nil }

  /// Accepts any answer by default.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {}

  /// Claims no bit by default.
  public mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits { [] }

  /// Passes the data on by default.
  public mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) { output += data }

  /// Appends nothing by default.
  public mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {}

  /// Passes the bits and the data on by default.
  public mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) { (rsv, data) }
}

/// An offer in a client's request, as found in ``Request/extensions`` on a server. It can be inspected,
/// compared and forwarded; it does nothing to frames.
///
/// A relay that forwards the request, and later the answer, negotiates nothing itself: the offer takes the
/// answer of the next server and passes it to the client.
public struct OfferedExtension: Extension {
  /// The offer as parsed (RFC 6455 §9.1).
  public var header: ExtensionHeader

  /// The next server's answer; `nil` until it arrives.
  public private(set) var answer: [ExtensionParameter]?

  /// An offer.
  public init(_ header: ExtensionHeader) { self.header = header }

  /// The name offered.
  public var name: String { header.name }

  /// The parameters offered.
  public func offer() -> [ExtensionParameter]? { header.parameters }

  /// The next server's answer. Without one, the offer is declined.
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { answer }

  /// Accepts any answer: the client that made the offer will check it.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    answer = accepted.parameters
  }
}

/// Whether two lists hold equal extensions. Needed because `any Extension` has no `==`.
func extensionsEqual(_ left: [any Extension], _ right: [any Extension]) -> Bool {
  func same<E: Extension>(_ one: E, _ other: any Extension) -> Bool { (other as? E) == one }
  guard left.count == right.count else { return false }
  for (one, other) in zip(left, right) where !same(one, other) { return false }
  return true
}
