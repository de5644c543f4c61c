// SPDX-License-Identifier: Apache-2.0

/// A close code (RFC 6455 §7.4). An open set: the private ranges 3000–4999 have no names.
public struct CloseReason: RawRepresentable, Sendable, Hashable {
  /// The number on the wire.
  public var rawValue: UInt16

  /// Any number. ``isSendable`` and ``isReceivable`` tell whether it is legal in a Close frame.
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Any number.
  @inlinable public init(_ rawValue: UInt16) { self.rawValue = rawValue }

  /// 1000: the purpose of the connection has been fulfilled (§7.4.1).
  public static let normalClosure = CloseReason(1000)
  /// 1001: the endpoint goes away: a server stops, a browser leaves the page.
  public static let goingAway = CloseReason(1001)
  /// 1002: the peer violated the protocol.
  public static let protocolError = CloseReason(1002)
  /// 1003: the endpoint received a kind of data that it cannot accept.
  public static let unsupportedData = CloseReason(1003)
  /// 1005: no code was in the Close frame. Never on the wire.
  public static let noStatusRcvd = CloseReason(1005)
  /// 1006: the transport ended without a Close frame. Never on the wire.
  public static let abnormalClosure = CloseReason(1006)
  /// 1007: data that does not fit the type of the message, such as bytes that aren't UTF-8 in a text message.
  public static let invalidFramePayloadData = CloseReason(1007)
  /// 1008: a policy of this endpoint was violated.
  public static let policyViolation = CloseReason(1008)
  /// 1009: a message is too big to process.
  public static let messageTooBig = CloseReason(1009)
  /// 1010: the client requires an extension that the server did not negotiate.
  public static let mandatoryExt = CloseReason(1010)
  /// 1011: the server met an unexpected condition.
  public static let internalError = CloseReason(1011)
  /// 1012: the service is restarting (IANA registry).
  public static let serviceRestart = CloseReason(1012)
  /// 1013: the service is overloaded, try again later (IANA registry).
  public static let tryAgainLater = CloseReason(1013)
  /// 1014: a gateway got an invalid response from upstream (IANA registry).
  public static let badGateway = CloseReason(1014)
  /// 1015: the TLS handshake failed. Never on the wire.
  public static let tlsHandshakeFailed = CloseReason(1015)

  /// Whether the code has only a local meaning and must not be in a Close frame: 1005, 1006, 1015 (§7.4.1).
  @inlinable public var isLocalOnly: Bool { rawValue == 1005 || rawValue == 1006 || rawValue == 1015 }

  /// Whether a Close frame may carry the code: 1000–1003, 1007–1014 and 3000–4999 (§7.4.1, §7.4.2 and the IANA registry).
  @inlinable public var isReceivable: Bool {
    switch rawValue {
    case 1000...1003, 1007...1014, 3000...4999: true
    default: false
    }
  }

  /// Whether this endpoint may put the code into a Close frame; the same set as ``isReceivable``.
  @inlinable public var isSendable: Bool { isReceivable }
}

/// RFC 6455 §7.4 calls this a status code. This package uses wsproto's name, ``CloseReason``.
public typealias CloseCode = CloseReason

extension CloseReason: ExpressibleByIntegerLiteral {
  /// Lets an integer literal stand for a code: `let code: CloseReason = 4001`.
  @inlinable public init(integerLiteral value: UInt16) { self.init(value) }
}

extension CloseReason: CustomStringConvertible {
  /// The number.
  public var description: String { String(rawValue) }
}
