// SPDX-License-Identifier: Apache-2.0

public import HTTPTypes

/// The opening request of a WebSocket connection (RFC 6455 §4.1, §4.2.1).
///
/// A client sends it first. A server receives it and must answer with ``AcceptConnection`` or
/// ``RejectConnection``.
///
/// A proxy can forward a received request, and the answer to it: host, target, subprotocols, offers and
/// additional fields are kept. Everything that concerns a single hop is left out: `Connection` and the fields
/// it names (RFC 9110 §7.6.1), `Upgrade`, and the key, which each client generates for itself.
public struct Request: Sendable {
  /// The host, with a port if it isn't the default: the value of the `Host` field or of `:authority`. When
  /// sending, it must be ASCII (IDNA A-labels; `Request(url:)` of WSProtoFoundation converts). When
  /// receiving, it is kept as sent; beware of homographs if you show it in Unicode. If the target of a
  /// received request is a whole URI, as proxies send it, this is the host of that URI (RFC 9112 §3.2.2).
  public var host: String {
    get { givenHost ?? received?.host.text ?? "" }
    set { givenHost = newValue }
  }
  /// The request target: path and query, visible ASCII, starting with a slash. A client that talks to a proxy
  /// may send a whole `http:` URI; the server then gets its path and query.
  public var target: String {
    get { givenTarget ?? received?.target.text ?? "" }
    set { givenTarget = newValue }
  }
  /// Sending: the extensions to offer, in order of preference. Receiving: the offers, as ``OfferedExtension``
  /// values.
  public var extensions: [any Extension] {
    get { givenExtensions ?? received?.offers.map { OfferedExtension($0) } ?? [] }
    set { givenExtensions = newValue }
  }
  /// Additional fields. Receiving: all fields except `Host`, `Sec-WebSocket-Extensions` and
  /// `Sec-WebSocket-Protocol`, created on first access. Sending: the handshake's own fields are refused, but
  /// in a request that was received they are dropped, so that a proxy can forward it.
  public var extraHeaders: Headers {
    get { fields.headers }
    _modify { yield &fields.headers }
  }
  /// The subprotocols that the client speaks, in order of preference (§1.9).
  public var subprotocols: [String]

  // A `nil` here means that the value is in `received`: strings are only made of the parts that are read.
  private var givenHost: String?
  private var givenTarget: String?
  private var givenExtensions: [any Extension]?
  private var fields: EventFields
  let received: ReceivedHead?

  /// A request.
  public init(
    host: String,
    target: String,
    extensions: [any Extension] = [],
    extraHeaders: Headers = Headers(),
    subprotocols: [String] = []
  ) {
    givenHost = host
    givenTarget = target
    givenExtensions = extensions
    fields = .given(extraHeaders)
    received = nil
    self.subprotocols = subprotocols
  }

  /// A request that was received.
  init(_ received: ReceivedHead) {
    fields = .received(received)
    self.received = received
    subprotocols = received.subprotocols
  }
}

extension Request: Hashable {
  /// Whether all fields are equal.
  public static func == (left: Request, right: Request) -> Bool {
    left.host == right.host && left.target == right.target && left.extraHeaders == right.extraHeaders
      && left.subprotocols == right.subprotocols && extensionsEqual(left.extensions, right.extensions)
  }

  /// Hashes all fields.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(host)
    hasher.combine(target)
    hasher.combine(extraHeaders)
    hasher.combine(subprotocols)
    for one in extensions { one.hash(into: &hasher) }
  }
}

/// The upgrade is accepted (RFC 6455 §4.2.2). A server sends it in answer to ``Request``; a client receives it, and the
/// connection is open.
public struct AcceptConnection: Sendable {
  /// The chosen subprotocol, one of those requested; `nil` for none.
  public var subprotocol: String?
  /// Sending: the extensions that the server supports; those that accept an offer are used. Receiving: the
  /// extensions in use.
  public var extensions: [any Extension]
  /// Additional fields of the response.
  public var extraHeaders: Headers {
    get { fields.headers }
    _modify { yield &fields.headers }
  }

  private var fields: EventFields
  let received: ReceivedHead?

  /// An acceptance.
  public init(
    subprotocol: String? = nil,
    extensions: [any Extension] = [],
    extraHeaders: Headers = Headers()
  ) {
    self.subprotocol = subprotocol
    self.extensions = extensions
    fields = .given(extraHeaders)
    received = nil
  }

  /// An acceptance that was received.
  init(_ received: ReceivedHead, subprotocol: String?, extensions: [any Extension]) {
    self.subprotocol = subprotocol
    self.extensions = extensions
    fields = .received(received)
    self.received = received
  }
}

extension AcceptConnection: Hashable {
  /// Whether all fields are equal.
  public static func == (left: AcceptConnection, right: AcceptConnection) -> Bool {
    left.subprotocol == right.subprotocol && left.extraHeaders == right.extraHeaders
      && extensionsEqual(left.extensions, right.extensions)
  }

  /// Hashes all fields.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(subprotocol)
    hasher.combine(extraHeaders)
    for one in extensions { one.hash(into: &hasher) }
  }
}

/// The upgrade is refused with an HTTP response (RFC 6455 §4.2.2, item 3 of step 5; §4.4 for 426).
///
/// A server sends it instead of ``AcceptConnection``. A client that receives it also receives ``RejectData``
/// events; close the transport after the one with `bodyFinished`.
public struct RejectConnection: Sendable, Hashable {
  /// The status of the response. Sending: 200…599. Receiving: any three digits; a status outside 100…599
  /// means the same as a 5xx (RFC 9110 §15).
  public var statusCode: Int
  /// The fields of the response.
  public var headers: Headers
  /// Sending: `false` sends an empty body (`Content-Length: 0`). With `true`, ``RejectData`` must follow; the
  /// body is framed by the `Content-Length` in `headers`, or else chunked. Receiving: always `true`.
  public var hasBody: Bool

  /// A refusal.
  public init(statusCode: Int = 400, headers: Headers = Headers(), hasBody: Bool = false) {
    self.statusCode = statusCode
    self.headers = headers
    self.hasBody = hasBody
  }
}

/// A part of the body of a refusal.
public struct RejectData: Sendable, Hashable {
  /// The bytes; may be empty.
  public var data: Bytes
  /// Whether this is the last part; the handshake is then over.
  public var bodyFinished: Bool

  /// A part of a body.
  public init(data: Bytes, bodyFinished: Bool = true) {
    self.data = data
    self.bodyFinished = bodyFinished
  }
}
