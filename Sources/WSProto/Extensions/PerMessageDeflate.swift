// SPDX-License-Identifier: Apache-2.0

/// permessage-deflate: compression of messages (RFC 7692).
///
/// Put it into ``Request/extensions`` on a client, or into ``AcceptConnection/extensions`` on a server. After
/// the handshake, the copy in the client's ``AcceptConnection`` event holds the negotiated parameters.
///
/// A message is compressed unless its `compress` is `false`; set that for a secret next to text that an
/// attacker controls. Received messages are inflated up to ``Limits/maxMessageBytes``.
///
/// A message sent in parts is flushed at the end of each part, so that the peer can read it at once. That
/// costs a few bytes per part.
///
/// Memory: zlib's contexts, about 268 KB for sending and 40 KB for receiving at 15 bits, are allocated for
/// the first message that needs them. A window of n bits has 2ⁿ bytes. Without context takeover in both
/// directions, and with a ``DeflatePool``, they are needed only while a message is in progress.
///
/// A value: if the frame hooks of an extension have been used, a copy of it continues independently with the
/// same history.
///
/// If the library is built with the package trait `ISAL`, Intel ISA-L replaces zlib in both directions. JSON
/// of 16 KiB is then compressed in a ninth of the time and inflated in half the time, and is 23 % longer than
/// with zlib; 1 KiB is compressed in a third of the time, and inflated no faster
/// (`Benchmarks/compare --only deflate`). What a peer may send, what is refused, and the negotiation don't
/// change. The contexts take about 168 KB for sending (234 KB at level 9) and 109 KB for receiving, whatever
/// the window.
public struct PerMessageDeflate: Extension {
  /// `permessage-deflate`.
  public static let name = "permessage-deflate"

  /// The window size if none is negotiated.
  static let defaultMaxWindowBits = 15

  /// What an offer says about the client's window (RFC 7692 §7.1.2.2).
  public enum ClientWindowBits: Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// No parameter: the client uses 15 bits, and the server cannot ask for less.
    case absent
    /// The bare parameter: 15 bits, or fewer if the server asks for it.
    case unspecified
    /// At most this many bits, or fewer if the server asks for it.
    case bits(Int)

    /// At most this many bits.
    public init(integerLiteral bits: Int) { self = .bits(bits) }
  }

  /// The parameters this end asks for; after the negotiation, the negotiated ones.
  private var parameters = PerMessageDeflateParameters()

  /// Whether the client compresses each message without the history of earlier ones. Before the negotiation:
  /// what this end asks for.
  public var clientNoContextTakeover: Bool { parameters.clientNoContextTakeover }
  /// The largest window, in bits, that the client compresses with. Before the negotiation: the most this end
  /// allows.
  ///
  /// zlib cannot compress with 8 bits; a client of this package then sends its messages uncompressed.
  public var clientMaxWindowBits: Int { parameters.clientMaxWindowBits.maximum }
  /// Whether the server compresses each message without the history of earlier ones. Before the negotiation:
  /// what this end asks for.
  public var serverNoContextTakeover: Bool { parameters.serverNoContextTakeover }
  /// The largest window, in bits, that the server compresses with. Before the negotiation: the most this end
  /// allows.
  ///
  /// zlib cannot compress with 8 bits; a server of this package then sends its messages uncompressed.
  public var serverMaxWindowBits: Int { parameters.serverMaxWindowBits.maximum }

  /// The compression level of zlib: 0 (store only) to 9, or -1 for its default. Local, not negotiated.
  ///
  /// With the trait `ISAL`, -1 and 1 to 6 select ISA-L's level 1, 7 and 8 its level 2, and 9 its level 3; 0
  /// still stores with zlib. ISA-L's level 0 is not used, because it makes small messages longer.
  public let level: Int
  /// zlib's memory level for compression: 1 to 9, which takes `1 << (memoryLevel + 9)` bytes. Local, not
  /// negotiated. Ignored with the trait `ISAL`.
  public let memoryLevel: Int
  /// Whole messages with fewer bytes are sent uncompressed; a message sent in parts is compressed whatever
  /// its length. Default 0: all are compressed. Local, not negotiated.
  public let threshold: Int
  /// What a client offers in addition to its first offer; see ``offers()``.
  public let fallbackOffers: [[ExtensionParameter]]

  /// Whether the negotiation succeeded.
  package internal(set) var isNegotiated = false

  /// The state of the frame hooks.
  var hooks = PerMessageDeflateHooks()

  /// The defaults: context takeover, windows of 15 bits, zlib's default level. A client offers the same as
  /// browsers: `permessage-deflate; client_max_window_bits`.
  public init() {
    parameters.clientMaxWindowBits = .unspecified
    level = -1
    memoryLevel = 8
    threshold = 0
    fallbackOffers = []
  }

  /// - Parameters:
  ///   - clientNoContextTakeover: the client compresses each message without history: less memory, less
  ///     compression.
  ///   - clientMaxWindowBits: the client's largest window, 9...15, and what an offer says about it. A server
  ///     can require less than 15 only if the client offered the parameter.
  ///   - serverNoContextTakeover: the server compresses each message without history.
  ///   - serverMaxWindowBits: the server's largest window, 9...15. `nil` means 15 and leaves it out of the
  ///     offer.
  ///   - level: 0...9, or -1 for zlib's default.
  ///   - memoryLevel: 1...9.
  ///   - threshold: whole messages of fewer bytes are sent uncompressed.
  ///   - fallbackOffers: additional offers of a client, for servers that decline the first one; an empty list
  ///     is an offer without parameters.
  /// - Throws: `LocalProtocolError` for a value out of range, or an offer that RFC 7692 §7.1 does not allow.
  ///   A window of 8 bits is legal, but zlib cannot compress with it, so this end never asks for one. A peer
  ///   that compresses with 8 bits is understood; one that asks for 8 bits is sent uncompressed messages.
  public init(
    clientNoContextTakeover: Bool = false,
    clientMaxWindowBits: ClientWindowBits = .unspecified,
    serverNoContextTakeover: Bool = false,
    serverMaxWindowBits: Int? = nil,
    level: Int = -1,
    memoryLevel: Int = 8,
    threshold: Int = 0,
    fallbackOffers: [[ExtensionParameter]] = []
  ) throws(LocalProtocolError) {
    parameters.clientNoContextTakeover = clientNoContextTakeover
    parameters.serverNoContextTakeover = serverNoContextTakeover
    switch clientMaxWindowBits {
    case .absent: break
    case .unspecified: parameters.clientMaxWindowBits = .unspecified
    case .bits(let bits): parameters.clientMaxWindowBits = .bits(bits)
    }
    if let serverMaxWindowBits { parameters.serverMaxWindowBits = .bits(serverMaxWindowBits) }
    self.level = level
    self.memoryLevel = memoryLevel
    self.threshold = threshold
    self.fallbackOffers = fallbackOffers

    for role in ConnectionType.allCases {
      if let violation = settings(from: role).violation { throw LocalProtocolError(violation, .extension) }
    }
    guard threshold >= 0 else { throw LocalProtocolError("a threshold of \(threshold) bytes", .extension) }
    for offer in fallbackOffers {
      let parsed: PerMessageDeflateParameters
      do throws(PerMessageDeflateParameters.Violation) {
        parsed = try PerMessageDeflateParameters(parsing: offer, answer: false)
      } catch {
        throw LocalProtocolError("an illegal offer: \(error.message)", .extension)
      }
      guard parsed.clientMaxWindowBits.maximum > 8 else {
        throw LocalProtocolError("an offer to compress with 8 bits, which zlib cannot do", .extension)
      }
    }
  }

  /// `permessage-deflate`.
  public var name: String { Self.name }

  /// Whether it was negotiated.
  public func enabled() -> Bool { isNegotiated }

  // MARK: Negotiation, client

  /// The first offer: the flags that are set, and the windows given to the initialiser.
  public func offer() -> [ExtensionParameter]? { parameters.offer }

  /// ``offer()``, then ``fallbackOffers``. The server takes the first one that it supports (RFC 7692 §5.1).
  public func offers() -> [[ExtensionParameter]] { [parameters.offer] + fallbackOffers }

  /// Takes the server's answer, which must be a legal answer to one of ``offers()``. The properties then hold
  /// the negotiated parameters.
  ///
  /// - Throws: `NegotiationError` for a parameter that is unknown, repeated, malformed, out of range, or
  ///   doesn't fit any offer (RFC 7692 §7). Nothing has changed then.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    do throws(PerMessageDeflateParameters.Violation) {
      let answer = try PerMessageDeflateParameters(parsing: accepted.parameters, answer: true)
      let offer = try offer(for: answer)
      settle(
        clientNoContextTakeover: offer.clientNoContextTakeover || answer.clientNoContextTakeover,
        // The client is free to use less than it was given (§7.1.2.2).
        clientMaxWindowBits: min(offer.clientMaxWindowBits.maximum, answer.clientMaxWindowBits.maximum),
        serverNoContextTakeover: answer.serverNoContextTakeover,
        serverMaxWindowBits: answer.serverMaxWindowBits.maximum
      )
    } catch {
      throw NegotiationError(
        "unacceptable parameters of \(Self.name)",
        detail: "\(error.message) (RFC 7692 §7)"
      )
    }
  }

  /// The offer that `answer` answers: the first one for which it is legal.
  private func offer(
    for answer: PerMessageDeflateParameters
  ) throws(PerMessageDeflateParameters.Violation) -> PerMessageDeflateParameters {
    do throws(PerMessageDeflateParameters.Violation) {
      try parameters.check(answer: answer)
      return parameters
    } catch {
      for further in fallbackOffers {
        // Always legal: the initialiser has checked them.
        guard let offer = try? PerMessageDeflateParameters(parsing: further, answer: false),
          (try? offer.check(answer: answer)) != nil
        else { continue }
        return offer
      }
      throw error
    }
  }

  // MARK: Negotiation, server

  /// Accepts or declines an offer. The properties then hold the negotiated parameters.
  ///
  /// Windows are the smaller of what the client and this end allow. A client that didn't offer
  /// `client_max_window_bits` can't be asked for less than 15 bits, and is accepted with 15. A client that
  /// asks for `server_max_window_bits=8` is accepted too, because it may still compress what it sends; it is
  /// sent uncompressed messages.
  ///
  /// - Returns: the parameters of the answer. `nil`, with nothing changed, for an offer with a parameter that
  ///   is unknown, repeated, malformed or out of range (RFC 7692 §7).
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    guard let offer = try? PerMessageDeflateParameters(parsing: offer.parameters, answer: false) else {
      return nil
    }
    var answer = PerMessageDeflateParameters()
    let serverBits = min(offer.serverMaxWindowBits.maximum, serverMaxWindowBits)
    // The server may state its window unasked (§7.1.2.1), which saves memory on the client.
    if offer.serverMaxWindowBits != .absent || serverBits < Self.defaultMaxWindowBits {
      answer.serverMaxWindowBits = .bits(serverBits)
    }
    if offer.clientMaxWindowBits != .absent {
      answer.clientMaxWindowBits = .bits(min(offer.clientMaxWindowBits.maximum, clientMaxWindowBits))
    }
    answer.clientNoContextTakeover = offer.clientNoContextTakeover || clientNoContextTakeover
    answer.serverNoContextTakeover = offer.serverNoContextTakeover || serverNoContextTakeover
    settle(
      clientNoContextTakeover: answer.clientNoContextTakeover,
      clientMaxWindowBits: answer.clientMaxWindowBits.maximum,
      serverNoContextTakeover: answer.serverNoContextTakeover,
      serverMaxWindowBits: serverBits
    )
    return answer.answer
  }

  private mutating func settle(
    clientNoContextTakeover: Bool,
    clientMaxWindowBits: Int,
    serverNoContextTakeover: Bool,
    serverMaxWindowBits: Int
  ) {
    parameters.clientNoContextTakeover = clientNoContextTakeover
    parameters.clientMaxWindowBits = .bits(clientMaxWindowBits)
    parameters.serverNoContextTakeover = serverNoContextTakeover
    parameters.serverMaxWindowBits = .bits(serverMaxWindowBits)
    isNegotiated = true
    hooks = PerMessageDeflateHooks()
  }

  // MARK: The directions

  /// The settings that `role` compresses with.
  private func settings(from role: ConnectionType) -> DeflateSettings {
    let windowBits = role == .client ? clientMaxWindowBits : serverMaxWindowBits
    return DeflateSettings(windowBits: windowBits, level: level, memoryLevel: memoryLevel)
  }

  /// Whether `role` compresses each message without the history of earlier ones.
  private func noContextTakeover(from role: ConnectionType) -> Bool {
    role == .client ? clientNoContextTakeover : serverNoContextTakeover
  }

  /// The direction in which `role` receives.
  func makeInbound(role: ConnectionType, pool: DeflatePool?) -> InboundDeflate {
    let peer: ConnectionType = role == .client ? .server : .client
    return InboundDeflate(
      windowBits: settings(from: peer).windowBits,
      noContextTakeover: noContextTakeover(from: peer),
      pool: pool
    )
  }

  /// The direction in which `role` sends; `nil` with a window of 8 bits, when its messages are sent
  /// uncompressed.
  func makeOutbound(role: ConnectionType, pool: DeflatePool?) -> OutboundDeflate? {
    let settings = settings(from: role)
    guard settings.violation == nil else { return nil }
    return OutboundDeflate(
      settings,
      noContextTakeover: noContextTakeover(from: role),
      threshold: threshold,
      pool: pool
    )
  }

  /// A connection's list of extensions, in which the copies of permessage-deflate take their contexts from
  /// the pool.
  static func using(_ pool: DeflatePool?, in extensions: [any Extension]) -> [any Extension] {
    guard let pool else { return extensions }
    return extensions.map { one in
      guard var deflate = ExtensionsInUse.deflate(one) else { return one }
      deflate.hooks.pool = pool
      return deflate
    }
  }

  /// Gives back the contexts in a list of a connection that the next message can do without; whether none is left.
  static func releaseContexts(in extensions: inout [any Extension]) -> Bool {
    var isFree = true
    for index in extensions.indices {
      guard var deflate = ExtensionsInUse.deflate(extensions[index]) else { continue }
      // Out of the list, so that there is one copy only: a context that another holds too stays as it is.
      extensions[index] = PerMessageDeflate()
      defer { extensions[index] = deflate }
      if isKnownUniquelyReferenced(&deflate.hooks.outbound) {
        isFree = deflate.hooks.outbound?.releaseContext() != false && isFree
      } else {
        isFree = deflate.hooks.outbound == nil && isFree
      }
      if isKnownUniquelyReferenced(&deflate.hooks.inbound) {
        isFree = deflate.hooks.inbound?.releaseContext() != false && isFree
      } else {
        isFree = deflate.hooks.inbound == nil && isFree
      }
    }
    return isFree
  }
}

extension PerMessageDeflate {
  /// Whether parameters, settings and ``enabled()`` are equal; the compression history is not compared.
  public static func == (left: PerMessageDeflate, right: PerMessageDeflate) -> Bool {
    left.isNegotiated == right.isNegotiated
      && left.parameters == right.parameters
      && left.level == right.level && left.memoryLevel == right.memoryLevel
      && left.threshold == right.threshold && left.fallbackOffers == right.fallbackOffers
  }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(isNegotiated)
    hasher.combine(parameters)
    hasher.combine(level)
    hasher.combine(memoryLevel)
    hasher.combine(threshold)
    hasher.combine(fallbackOffers)
  }
}

extension PerMessageDeflate: CustomStringConvertible {
  /// The parameters in wsproto's format: `<PerMessageDeflate client_max_window_bits=15; …>`.
  public var description: String {
    var text = "<PerMessageDeflate client_max_window_bits=\(clientMaxWindowBits)"
    if clientNoContextTakeover { text += "; client_no_context_takeover" }
    text += "; server_max_window_bits=\(serverMaxWindowBits)"
    if serverNoContextTakeover { text += "; server_no_context_takeover" }
    return text + ">"
  }
}
