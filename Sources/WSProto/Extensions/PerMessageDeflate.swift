// SPDX-License-Identifier: Apache-2.0

/// permessage-deflate: compression of messages (RFC 7692).
///
/// Put it into ``Request/extensions`` on a client, into ``AcceptConnection/extensions`` on a server. After the
/// handshake the copy in the client's ``AcceptConnection`` event tells what was negotiated.
///
/// A message is compressed unless its `compress` is `false`, as it should be for a secret next to text that an attacker
/// controls. What the peer sends is inflated up to ``Limits/maxMessageBytes``.
///
/// A message that is sent in parts is flushed at the end of each, so that the peer can read it; that costs some bytes a
/// part.
///
/// Memory: the contexts of zlib, about 268 KB to send and 40 KB to receive at 15 bits, are made by the first message
/// that needs them. A window of n bits has 2ⁿ bytes. With no context takeover, in both directions, and a ``DeflatePool``
/// they are needed only for the messages under way.
///
/// A value: a copy of an extension whose frame hooks have been used goes its own way, with the same history.
///
/// Where the library is built with the package's trait `ISAL`, Intel ISA-L takes zlib's place, in both directions. JSON
/// of 16 KiB is then compressed in a ninth of the time and inflated in half, and is 23 % longer than zlib makes it; 1 KiB
/// is compressed in a third of the time, and inflated no faster (`Benchmarks/compare --only deflate`). What a peer may
/// send, what is refused, and the negotiation stay. The contexts take about 168 KB to send, 234 KB at level 9, and 109 KB
/// to receive, whatever the window.
public struct PerMessageDeflate: Extension {
  /// `permessage-deflate`.
  public static let name = "permessage-deflate"

  /// 15: the window where none was negotiated.
  static let defaultMaxWindowBits = 15

  /// What an offer says of the client's window (RFC 7692 §7.1.2.2).
  public enum ClientWindowBits: Sendable, Hashable, ExpressibleByIntegerLiteral {
    /// Nothing: the client uses 15 bits, and the server cannot ask for less.
    case absent
    /// The bare parameter: 15 bits, or what the server asks for.
    case unspecified
    /// So many at most, or what the server asks for.
    case bits(Int)

    /// So many bits at most.
    public init(integerLiteral bits: Int) { self = .bits(bits) }
  }

  /// What this end asks for, then what was negotiated.
  private var parameters = PerMessageDeflateParameters()

  /// Whether the client compresses each message on its own. Before the negotiation: what this end asks for.
  public var clientNoContextTakeover: Bool { parameters.clientNoContextTakeover }
  /// The largest window, in bits, that the client compresses with. Before the negotiation: the most this end allows.
  ///
  /// With 8, which zlib cannot compress with, a client of ours sends its messages uncompressed.
  public var clientMaxWindowBits: Int { parameters.clientMaxWindowBits.maximum }
  /// Whether the server compresses each message on its own. Before the negotiation: what this end asks for.
  public var serverNoContextTakeover: Bool { parameters.serverNoContextTakeover }
  /// The largest window, in bits, that the server compresses with. Before the negotiation: the most this end allows.
  ///
  /// With 8, which zlib cannot compress with, a server of ours sends its messages uncompressed.
  public var serverMaxWindowBits: Int { parameters.serverMaxWindowBits.maximum }

  /// How hard zlib tries: 0 (stores) to 9, or -1 for its default. Local, not negotiated.
  ///
  /// With the trait `ISAL` -1 and 1 to 6 are ISA-L's level 1, 7 and 8 its 2, 9 its 3; at 0 zlib stores. ISA-L's level 0
  /// is not used: it makes small messages longer than they are.
  public let level: Int
  /// zlib's memory for compression: 1 to 9, `1 << (memoryLevel + 9)` bytes. Local, not negotiated. Of no account with the
  /// trait `ISAL`.
  public let memoryLevel: Int
  /// Messages of fewer bytes that are sent whole go out uncompressed; one that is sent in parts is compressed whatever
  /// its length. 0 by default: all are compressed. Local, not negotiated.
  public let threshold: Int
  /// What a client offers after its first offer; see ``offers()``.
  public let fallbackOffers: [[ExtensionParameter]]

  /// Whether the negotiation has settled on it.
  package internal(set) var isNegotiated = false

  /// The state of the frame hooks.
  var hooks = PerMessageDeflateHooks()

  /// The defaults: context takeover, windows of 15 bits, zlib's level. A client offers what browsers do:
  /// `permessage-deflate; client_max_window_bits`.
  public init() {
    parameters.clientMaxWindowBits = .unspecified
    level = -1
    memoryLevel = 8
    threshold = 0
    fallbackOffers = []
  }

  /// - Parameters:
  ///   - clientNoContextTakeover: the client is to compress each message on its own: less memory, less compression.
  ///   - clientMaxWindowBits: the largest window of the client, 9...15, and what an offer says of it. A server can hold a
  ///     client to less than 15 only if that has offered the parameter.
  ///   - serverNoContextTakeover: the server is to compress each message on its own.
  ///   - serverMaxWindowBits: the largest window of the server, 9...15. `nil`: 15, and an offer doesn't say so.
  ///   - level: 0...9, or -1 for zlib's default.
  ///   - memoryLevel: 1...9.
  ///   - threshold: whole messages of fewer bytes are sent uncompressed.
  ///   - fallbackOffers: further offers of a client, for servers that decline the first; an empty list is an offer
  ///     without parameters.
  /// - Throws: `LocalProtocolError` for a value out of range, or an offer that RFC 7692 §7.1 does not allow. A window of
  ///   8 bits is legal, but zlib cannot compress with it, so this end asks for none. A peer that keeps to one is
  ///   understood; one that asks for one is sent uncompressed messages.
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

  /// The first offer: the flags that are set, and the windows as the initialiser was told.
  public func offer() -> [ExtensionParameter]? { parameters.offer }

  /// ``offer()``, then ``fallbackOffers``: the server takes the first that it can (RFC 7692 §5.1).
  public func offers() -> [[ExtensionParameter]] { [parameters.offer] + fallbackOffers }

  /// Takes the server's answer, which must be a legal one to an offer of ``offers()``. The parameters are then those
  /// negotiated.
  ///
  /// - Throws: `NegotiationError` for a parameter that is unknown, repeated, malformed, out of range, or no answer to
  ///   what was offered (RFC 7692 §7). Nothing has changed then.
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

  /// The offer that `answer` answers: the first that it is legal for.
  private func offer(
    for answer: PerMessageDeflateParameters
  ) throws(PerMessageDeflateParameters.Violation) -> PerMessageDeflateParameters {
    do throws(PerMessageDeflateParameters.Violation) {
      try parameters.check(answer: answer)
      return parameters
    } catch {
      for further in fallbackOffers {
        // Legal: the initialiser has parsed them.
        guard let offer = try? PerMessageDeflateParameters(parsing: further, answer: false),
          (try? offer.check(answer: answer)) != nil
        else { continue }
        return offer
      }
      throw error
    }
  }

  // MARK: Negotiation, server

  /// Takes or declines an offer. The parameters are then those negotiated.
  ///
  /// Windows are the smaller of what the client and this end allow. A client that didn't offer `client_max_window_bits`
  /// can't be held to less than 15, and is accepted with them. One that asks for `server_max_window_bits=8` is accepted
  /// too, since it may compress what it sends; what it gets is uncompressed.
  /// - Returns: the parameters of the answer. `nil`, and nothing has changed, for a parameter that is unknown, repeated,
  ///   malformed or out of range (RFC 7692 §7).
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    guard let offer = try? PerMessageDeflateParameters(parsing: offer.parameters, answer: false) else {
      return nil
    }
    var answer = PerMessageDeflateParameters()
    let serverBits = min(offer.serverMaxWindowBits.maximum, serverMaxWindowBits)
    // The server may tell its window unasked (§7.1.2.1), which saves memory on the client.
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

  /// What `role` compresses with.
  private func settings(from role: ConnectionType) -> DeflateSettings {
    let windowBits = role == .client ? clientMaxWindowBits : serverMaxWindowBits
    return DeflateSettings(windowBits: windowBits, level: level, memoryLevel: memoryLevel)
  }

  /// Whether `role` compresses each message on its own.
  private func noContextTakeover(from role: ConnectionType) -> Bool {
    role == .client ? clientNoContextTakeover : serverNoContextTakeover
  }

  /// What `role` inflates with.
  func makeInbound(role: ConnectionType, pool: DeflatePool?) -> InboundDeflate {
    let peer: ConnectionType = role == .client ? .server : .client
    return InboundDeflate(
      windowBits: settings(from: peer).windowBits,
      noContextTakeover: noContextTakeover(from: peer),
      pool: pool
    )
  }

  /// What `role` compresses with; `nil` with a window of 8 bits: its messages go out uncompressed.
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

  /// The list of a connection, with copies of permessage-deflate that take their contexts from the pool.
  static func using(_ pool: DeflatePool?, in extensions: [any Extension]) -> [any Extension] {
    guard let pool else { return extensions }
    return extensions.map { one in
      guard var deflate = ExtensionsInUse.deflate(one) else { return one }
      deflate.hooks.pool = pool
      return deflate
    }
  }
}

extension PerMessageDeflate {
  /// Whether parameters, settings and ``enabled()`` are the same; what was compressed so far doesn't count.
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
  /// The parameters, as wsproto shows them: `<PerMessageDeflate client_max_window_bits=15; …>`.
  public var description: String {
    var text = "<PerMessageDeflate client_max_window_bits=\(clientMaxWindowBits)"
    if clientNoContextTakeover { text += "; client_no_context_takeover" }
    text += "; server_max_window_bits=\(serverMaxWindowBits)"
    if serverNoContextTakeover { text += "; server_no_context_takeover" }
    return text + ">"
  }
}
