// SPDX-License-Identifier: Apache-2.0

/// What an extension's frame hooks get to know of the connection they work for.
public struct FrameContext: Sendable, Hashable {
  /// The role of this end.
  public var role: ConnectionType
  /// The opcode of the frame, as on the wire: a later frame of a message is a ``Opcode/continuation``. Control frames come
  /// between the frames of a message (RFC 6455 §5.4).
  public var opcode: Opcode
  /// Inbound: how many bytes of the message under way this extension may still give. A hook that expands its input goes
  /// one byte beyond that at most, and then fails with 1009. `Int.max` for outbound hooks.
  public var remainingMessageBytes: Int
  /// Outbound: whether the message may be compressed, as its first part has said; see ``Message/compress``.
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

/// A WebSocket extension (RFC 6455 §9): its negotiation, and its work on frames.
///
/// A client puts it into ``Request/extensions``; ``offer()`` says what to offer and ``finalize(_:)`` takes the server's
/// answer. A server puts it into ``AcceptConnection/extensions``; ``accept(_:)`` gets each offer of this name in order
/// until one is accepted.
///
/// An extension is a value: each connection works on copies of its own, one for each direction. The inbound hooks are
/// called on one, the outbound hooks on the other, so they don't share mutable state unless the extension holds a
/// reference. Every hook has a default that does nothing; override those you need.
public protocol Extension: Sendable, Hashable {
  /// The name as registered and as in the header field (§9.1).
  var name: String { get }

  /// Whether the negotiation has settled on using it; only then are the frame hooks called.
  func enabled() -> Bool

  /// Client: the parameters to offer; `nil` offers nothing, an empty list the bare name.
  func offer() -> [ExtensionParameter]?

  /// Client: several offers in order of preference. Defaults to ``offer()`` alone.
  func offers() -> [[ExtensionParameter]]

  /// Server: decides on one offer of the client. The parameters of the answer, or `nil` to decline this offer. An
  /// unknown, repeated or malformed parameter must decline.
  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]?

  /// Client: takes the server's answer. Throws if it is not a legal answer to the offer, which fails the handshake.
  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError)

  /// A frame's header has arrived. Returns the reserved bits that this extension understands on it; a bit that no
  /// extension claims fails the connection. Throws to refuse the frame with a close code.
  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits

  /// A part of the payload of a frame, unmasked; appends what takes its place to `output`. How a payload is cut into parts
  /// means nothing, and must not change what comes out.
  ///
  /// Parts have at most 1 KiB where they come from the wire; what an extension behind this one in the list gives comes
  /// as it is given. So a hook that makes a thousand bytes of each holds a megabyte, not a message.
  ///
  /// Throws to fail the connection with a close code; what was appended before is delivered first.
  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed)

  /// The frame is complete; `fin` is its FIN bit. Appends what is still due of its payload to `output`: the extensions in
  /// front of this one in the list get it as a part of the payload, before their own end of the frame.
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
  /// `false`.
  public func enabled() -> Bool { false }

  /// `nil`: nothing is offered.
  public func offer() -> [ExtensionParameter]? { nil }

  /// ``offer()`` alone.
  public func offers() -> [[ExtensionParameter]] { offer().map { [$0] } ?? [] }

  /// Declines.
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { nil }

  /// Takes any answer.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {}

  /// Claims no bit.
  public mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits { [] }

  /// Passes the data on.
  public mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) { output += data }

  /// Appends nothing.
  public mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {}

  /// Passes bits and data on.
  public mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) { (rsv, data) }
}

/// An offer that arrived in a client's request, as found in ``Request/extensions`` on a server. It can be looked at,
/// compared, and sent on; it does nothing to frames.
///
/// A relay that sends the request on, and the answer back, negotiates nothing itself: the offer takes what the next
/// server answers, and gives that answer to its client.
public struct OfferedExtension: Extension {
  /// The offer as parsed (RFC 6455 §9.1).
  public var header: ExtensionHeader

  /// What the next server has answered; `nil` until then.
  public private(set) var answer: [ExtensionParameter]?

  /// An offer.
  public init(_ header: ExtensionHeader) { self.header = header }

  /// The name offered.
  public var name: String { header.name }

  /// The parameters offered.
  public func offer() -> [ExtensionParameter]? { header.parameters }

  /// The next server's answer; without one, the offer is declined.
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { answer }

  /// Takes any answer: the client that made the offer judges it.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    answer = accepted.parameters
  }
}

/// Whether two lists hold equal extensions; `any Extension` has no `==` of its own.
func extensionsEqual(_ left: [any Extension], _ right: [any Extension]) -> Bool {
  func same<E: Extension>(_ one: E, _ other: any Extension) -> Bool { (other as? E) == one }
  guard left.count == right.count else { return false }
  for (one, other) in zip(left, right) where !same(one, other) { return false }
  return true
}
