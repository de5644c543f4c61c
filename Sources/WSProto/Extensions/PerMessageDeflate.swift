// SPDX-License-Identifier: Apache-2.0

/// permessage-deflate: compression of messages (RFC 7692).
///
/// Put it into ``Request/extensions`` on a client, into ``AcceptConnection/extensions`` on a server. After the
/// handshake the copy in the client's ``AcceptConnection`` event tells what was negotiated.
///
/// A message is compressed unless its `compress` is `false`, as it should be for a secret next to text that an attacker
/// controls. What the peer sends is inflated up to ``Limits/maxMessageBytes``.
///
/// Memory: the contexts of zlib, about 268 KB to send and 40 KB to receive at 15 bits, are made by the first message
/// that needs them. A window of n bits has 2ⁿ bytes.
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

  /// Whether the client compresses each message on its own. Before the negotiation: what this end asks for.
  public private(set) var clientNoContextTakeover: Bool
  /// The largest window, in bits, that the client compresses with. Before the negotiation: the most this end allows.
  public private(set) var clientMaxWindowBits: Int
  /// Whether the server compresses each message on its own. Before the negotiation: what this end asks for.
  public private(set) var serverNoContextTakeover: Bool
  /// The largest window, in bits, that the server compresses with. Before the negotiation: the most this end allows.
  public private(set) var serverMaxWindowBits: Int

  /// How hard zlib tries: 0 (stores) to 9, or -1 for its default. Local, not negotiated.
  ///
  /// With the trait `ISAL` -1 and 1 to 6 are ISA-L's level 1, 7 and 8 its 2, 9 its 3; at 0 zlib stores. ISA-L's level 0
  /// is not used: it makes small messages longer than they are.
  public let level: Int
  /// zlib's memory for compression: 1 to 9, `1 << (memoryLevel + 9)` bytes. Local, not negotiated. Of no account with the
  /// trait `ISAL`.
  public let memoryLevel: Int
  /// What a client offers after its first offer; see ``offers()``.
  public let fallbackOffers: [[ExtensionParameter]]

  /// Whether the negotiation has settled on it.
  package var isNegotiated = false

  /// The state of the frame hooks.
  var hooks = PerMessageDeflateHooks()

  /// The defaults: context takeover, windows of 15 bits, zlib's level.
  public init() {
    clientNoContextTakeover = false
    clientMaxWindowBits = Self.defaultMaxWindowBits
    serverNoContextTakeover = false
    serverMaxWindowBits = Self.defaultMaxWindowBits
    level = -1
    memoryLevel = 8
    fallbackOffers = []
  }

  /// - Parameters:
  ///   - clientNoContextTakeover: the client is to compress each message on its own: less memory, less compression.
  ///   - clientMaxWindowBits: the largest window of the client, 9...15; `nil` is 15. A server can hold a client to less
  ///     than 15 only if that has offered the parameter.
  ///   - serverNoContextTakeover: the server is to compress each message on its own.
  ///   - serverMaxWindowBits: the largest window of the server, 9...15; `nil` is 15.
  ///   - level: 0...9, or -1 for zlib's default.
  ///   - memoryLevel: 1...9.
  ///   - fallbackOffers: further offers of a client, for servers that decline the first; an empty list is an offer
  ///     without parameters.
  /// - Throws: `LocalProtocolError` for a value out of range, or an offer that RFC 7692 §7.1 does not allow. 8 bits
  ///   are legal on the wire, but zlib cannot compress with them: they are refused here, as an offer that asks a server
  ///   for them is declined and an answer that asks a client for them fails the handshake. A peer that itself keeps to
  ///   8 bits is understood.
  public init(
    clientNoContextTakeover: Bool = false,
    clientMaxWindowBits: Int? = nil,
    serverNoContextTakeover: Bool = false,
    serverMaxWindowBits: Int? = nil,
    level: Int = -1,
    memoryLevel: Int = 8,
    fallbackOffers: [[ExtensionParameter]] = []
  ) throws(LocalProtocolError) {
    for bits in [clientMaxWindowBits, serverMaxWindowBits] {
      guard let bits, !(Self.supportedWindowBits ~= bits) else { continue }
      throw LocalProtocolError("a window of \(bits) bits; zlib compresses with 9 to 15", .extension)
    }
    guard -1...9 ~= level else { throw LocalProtocolError("a level of \(level), not -1 to 9", .extension) }
    guard 1...9 ~= memoryLevel else {
      throw LocalProtocolError("a memory level of \(memoryLevel), not 1 to 9", .extension)
    }
    for offer in fallbackOffers {
      let parsed: PerMessageDeflateParameters
      do throws(PerMessageDeflateParameters.Violation) {
        parsed = try PerMessageDeflateParameters(parsing: offer, answer: false)
      } catch {
        throw LocalProtocolError("an illegal offer: \(error.message)", .extension)
      }
      guard Self.supportedWindowBits ~= parsed.clientMaxWindowBits.maximum else {
        throw LocalProtocolError("an offer to compress with 8 bits, which zlib cannot do", .extension)
      }
    }
    self.clientNoContextTakeover = clientNoContextTakeover
    self.clientMaxWindowBits = clientMaxWindowBits ?? Self.defaultMaxWindowBits
    self.serverNoContextTakeover = serverNoContextTakeover
    self.serverMaxWindowBits = serverMaxWindowBits ?? Self.defaultMaxWindowBits
    self.level = level
    self.memoryLevel = memoryLevel
    self.fallbackOffers = fallbackOffers
  }

  /// The windows that zlib can compress raw DEFLATE with.
  private static let supportedWindowBits = 9...15

  /// `permessage-deflate`.
  public var name: String { Self.name }

  /// Whether it was negotiated.
  public func enabled() -> Bool { isNegotiated }

  // MARK: Negotiation, client

  private var firstOffer: PerMessageDeflateParameters {
    var parameters = PerMessageDeflateParameters()
    parameters.clientNoContextTakeover = clientNoContextTakeover
    parameters.clientMaxWindowBits = .bits(clientMaxWindowBits)
    parameters.serverNoContextTakeover = serverNoContextTakeover
    parameters.serverMaxWindowBits = .bits(serverMaxWindowBits)
    return parameters
  }

  /// The first offer: both windows, always, and the flags that are set.
  public func offer() -> [ExtensionParameter]? { firstOffer.offer }

  /// ``offer()``, then ``fallbackOffers``: the server takes the first that it can (RFC 7692 §5.1).
  public func offers() -> [[ExtensionParameter]] { [firstOffer.offer] + fallbackOffers }

  /// Takes the server's answer, which must be a legal one to an offer of ``offers()``. The parameters are then those
  /// negotiated.
  ///
  /// - Throws: `NegotiationError` for a parameter that is unknown, repeated, malformed, out of range, or no answer to
  ///   what was offered, and for a window of 8 bits to compress with (RFC 7692 §7). Nothing has changed then.
  public mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    do throws(PerMessageDeflateParameters.Violation) {
      let answer = try PerMessageDeflateParameters(parsing: accepted.parameters, answer: true)
      let offer = try offer(for: answer)
      // The client is free to use less than it was given (§7.1.2.2).
      let clientBits = min(offer.clientMaxWindowBits.maximum, answer.clientMaxWindowBits.maximum)
      guard Self.supportedWindowBits ~= clientBits else {
        throw PerMessageDeflateParameters.Violation("zlib cannot compress with a window of 8 bits")
      }
      clientNoContextTakeover = offer.clientNoContextTakeover || answer.clientNoContextTakeover
      clientMaxWindowBits = clientBits
      serverNoContextTakeover = answer.serverNoContextTakeover
      serverMaxWindowBits = answer.serverMaxWindowBits.maximum
      settle()
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
    let first = firstOffer
    do throws(PerMessageDeflateParameters.Violation) {
      try first.check(answer: answer)
      return first
    } catch {
      for parameters in fallbackOffers {
        // Legal: the initialiser has parsed them.
        guard let offer = try? PerMessageDeflateParameters(parsing: parameters, answer: false),
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
  /// can't be held to less than 15, and is accepted with them.
  /// - Returns: the parameters of the answer. `nil`, and nothing has changed, for a parameter that is unknown, repeated,
  ///   malformed or out of range, and for `server_max_window_bits=8`, which zlib cannot do (RFC 7692 §7).
  public mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    guard let offer = try? PerMessageDeflateParameters(parsing: offer.parameters, answer: false) else {
      return nil
    }
    var answer = PerMessageDeflateParameters()
    let serverBits = min(offer.serverMaxWindowBits.maximum, serverMaxWindowBits)
    guard Self.supportedWindowBits ~= serverBits else { return nil }
    // The server may tell its window unasked (§7.1.2.1), which saves memory on the client.
    if offer.serverMaxWindowBits != .absent || serverBits < Self.defaultMaxWindowBits {
      answer.serverMaxWindowBits = .bits(serverBits)
    }
    if offer.clientMaxWindowBits != .absent {
      answer.clientMaxWindowBits = .bits(min(offer.clientMaxWindowBits.maximum, clientMaxWindowBits))
    }
    answer.clientNoContextTakeover = offer.clientNoContextTakeover || clientNoContextTakeover
    answer.serverNoContextTakeover = offer.serverNoContextTakeover || serverNoContextTakeover

    clientNoContextTakeover = answer.clientNoContextTakeover
    clientMaxWindowBits = answer.clientMaxWindowBits.maximum
    serverNoContextTakeover = answer.serverNoContextTakeover
    serverMaxWindowBits = serverBits
    settle()
    return answer.answer
  }

  private mutating func settle() {
    isNegotiated = true
    hooks = PerMessageDeflateHooks()
  }

  // MARK: The directions

  /// How one direction compresses.
  struct Direction {
    var windowBits: Int
    var noContextTakeover: Bool
  }

  /// What `role` sends.
  func direction(from role: ConnectionType) -> Direction {
    switch role {
    case .client: Direction(windowBits: clientMaxWindowBits, noContextTakeover: clientNoContextTakeover)
    case .server: Direction(windowBits: serverMaxWindowBits, noContextTakeover: serverNoContextTakeover)
    }
  }

  func makeInbound(role: ConnectionType, pool: DeflatePool?) -> InboundDeflate {
    let direction = direction(from: role == .client ? .server : .client)
    return InboundDeflate(
      windowBits: direction.windowBits,
      noContextTakeover: direction.noContextTakeover,
      pool: pool
    )
  }

  /// `nil` if what this end sends can't be compressed: with a window of 8 bits.
  func makeOutbound(role: ConnectionType, pool: DeflatePool?) -> OutboundDeflate? {
    let direction = direction(from: role)
    let settings = DeflateSettings(
      windowBits: direction.windowBits,
      level: level,
      memoryLevel: memoryLevel
    )
    guard settings.areSupported else { return nil }
    return OutboundDeflate(settings, noContextTakeover: direction.noContextTakeover, pool: pool)
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
      && left.firstOffer == right.firstOffer
      && left.level == right.level && left.memoryLevel == right.memoryLevel
      && left.fallbackOffers == right.fallbackOffers
  }

  /// Hashes what `==` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(isNegotiated)
    hasher.combine(firstOffer)
    hasher.combine(level)
    hasher.combine(memoryLevel)
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
