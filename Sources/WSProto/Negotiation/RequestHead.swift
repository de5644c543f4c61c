// SPDX-License-Identifier: Apache-2.0

import HTTPTypes

/// The parts of a request that decide whether it opens a WebSocket, and their rules (RFC 6455 §4.2.1,
/// RFC 8441 §4, §5).
struct RequestHead {
  let method: HeadPart
  let minorVersion: Int
  let target: HeadPart
  /// The host, if it isn't given by a field.
  let authority: HeadPart?
  let fields: HandshakeFields

  init(method: HeadPart, target: HeadPart, fields: HandshakeFields) {
    self.method = method
    minorVersion = 1
    self.target = target
    authority = nil
    self.fields = fields
  }

  init(_ request: HTTPRequest, minorVersion: Int) {
    method = HeadPart(request.method.rawValue)
    self.minorVersion = minorVersion
    target = HeadPart(request.path ?? "")
    authority = request.authority.map { HeadPart($0) }
    fields = HandshakeFields(request.headerFields)
  }
}

extension RequestHead {
  /// Checks the requirements of RFC 6455 §4.2.1, one by one.
  func readUpgrade() throws(HandshakeFault) -> OpeningRequest {
    guard minorVersion > 0 else {
      throw HandshakeFault("Bad HTTP message", HTTP1Error.http10Request.description, status: 505)
    }
    guard method.isSpelled("GET") else {
      throw HandshakeFault(
        "Request method must be GET",
        "it is \(quoted(method)) (RFC 6455 §4.2.1)",
        status: 405,
        fields: [.allow: "GET"]
      )
    }
    let target: RequestTarget
    do throws(RequestTarget.Fault) {
      target = try RequestTarget(self.target)
    } catch {
      throw badTarget(error)
    }
    try checkBody()
    try fields.checkConnection("§4.2.1")
    try checkVersion(inUpgrade: true)
    let key = try HandshakeFields.single(
      fields.key,
      "Sec-WebSocket-Key",
      "RFC 6455 §4.2.1",
      singleBy: "RFC 6455 §11.3.1"
    )
    guard isWebSocketKey(key.span) else {
      throw HandshakeFault(
        "Bad header, 'Sec-WebSocket-Key'",
        "\(quoted(key)) is not the Base64 form of 16 bytes (RFC 6455 §4.2.1)"
      )
    }
    guard fields.upgrade.lists("websocket") else {
      throw HandshakeFault(
        "Missing header, 'Upgrade: WebSocket'",
        "\(fields.upgrade.inWords) (RFC 6455 §4.2.1)"
      )
    }
    return try opening(host: try host(target), target: target.resource, key: key)
  }

  /// Checks the requirements of RFC 8441 §4 and §5 and RFC 9220 §3. `Connection`, `Upgrade`, the key and the
  /// accept token are not used.
  func readExtendedConnect(_ request: HTTPRequest) throws(HandshakeFault) -> OpeningRequest {
    guard request.method == .connect else {
      throw HandshakeFault(
        "Request method must be CONNECT",
        "it is \(quoted(method)) (RFC 8441 §5)",
        status: 405,
        fields: [.allow: "CONNECT"]
      )
    }
    guard let wanted = request.extendedConnectProtocol else {
      throw HandshakeFault("Missing pseudo-header, ':protocol'", "RFC 8441 §4")
    }
    // Compares bytes, because Unicode has other letters whose lower case equals these.
    guard HeadPart(wanted).equals("websocket") else {
      throw HandshakeFault(
        "Unknown protocol",
        "\(quoted(wanted)) is not websocket (RFC 9220 §3)",
        status: 501
      )
    }
    if let field = HandshakeFields.connectionSpecific(in: request.headerFields) {
      throw HandshakeFault(
        "Forbidden header, '\(shown(field.name.rawName))'",
        "it belongs to a connection of HTTP/1.1 (RFC 9113 §8.2.2)"
      )
    }
    guard let scheme = request.scheme else {
      throw HandshakeFault("Missing pseudo-header, ':scheme'", "RFC 8441 §4")
    }
    guard HeadPart(scheme).equals("https") || HeadPart(scheme).equals("http") else {
      throw HandshakeFault(
        "Bad pseudo-header, ':scheme'",
        "\(quoted(scheme)) is not http or https (RFC 8441 §5)"
      )
    }
    guard request.path != nil else { throw HandshakeFault("Missing pseudo-header, ':path'", "RFC 8441 §4") }
    let resource: HeadPart
    do throws(RequestTarget.Fault) {
      resource = try RequestTarget.originForm(target)
    } catch {
      throw badTarget(error)
    }
    try checkBody()
    try checkVersion(inUpgrade: false)
    return try opening(host: try authorityAlone(), target: resource, key: nil)
  }

  private func badTarget(_ fault: RequestTarget.Fault) -> HandshakeFault {
    HandshakeFault("Bad request target", "\(quoted(target)): \(fault)")
  }

  private func checkBody() throws(HandshakeFault) {
    if fields.announcesBody {
      throw HandshakeFault("Bad HTTP message", "a handshake request with a body (RFC 9110 §9.3.1)")
    }
  }

  /// A request for another version is answered with the version supported here (RFC 6455 §4.4). The answer to
  /// an upgrade is 426, which names the protocol to upgrade to (RFC 9110 §15.5.22); that field is not allowed
  /// in HTTP/2 and HTTP/3.
  private func checkVersion(inUpgrade isUpgrade: Bool) throws(HandshakeFault) {
    let section = "version 13 is spoken here (RFC 6455 §4.4)"
    let name: StaticString
    let what: String
    switch fields.version {
    case .one(let version):
      if version.isSpelled("13") { return }
      name = "Bad header, 'Sec-WebSocket-Version'"
      what = "\(quoted(version)); \(section)"
    case .several:
      name = "Repeated header, 'Sec-WebSocket-Version'"
      what = "\(fields.version.inWords); \(section)"
    case .none:
      throw HandshakeFault(
        "Missing header, 'Sec-WebSocket-Version'",
        section,
        fields: [.secWebSocketVersion: "13"]
      )
    }
    guard isUpgrade else {
      throw HandshakeFault(name.description, what, fields: [.secWebSocketVersion: "13"])
    }
    throw HandshakeFault(
      name.description,
      what,
      status: 426,
      fields: [.upgrade: "websocket", .connection: "Upgrade", .secWebSocketVersion: "13"]
    )
  }

  /// The host of an upgrade: from a whole URI if the target is one, else from the framework, else from the
  /// field.
  private func host(_ target: RequestTarget) throws(HandshakeFault) -> HeadPart {
    // A missing or repeated field is refused even if it is not needed (RFC 9112 §3.2).
    let told: HeadPart
    if case .none = fields.host, let authority {
      told = try Self.checked(authority)
    } else {
      let field = try Self.checked(hostField())
      if let authority { told = try Self.checked(authority) } else { told = field }
    }
    return target.authority ?? told
  }

  /// Checks the `Host` of any request of HTTP/1.1: one line, with a host in it (RFC 9112 §3.2).
  static func checkHost(_ lines: FieldLines) throws(HandshakeFault) {
    _ = try checked(hostField(lines, requiredBy: "RFC 9112 §3.2"))
  }

  private func hostField() throws(HandshakeFault) -> HeadPart {
    try Self.hostField(fields.host, requiredBy: "RFC 6455 §4.2.1")
  }

  private static func hostField(
    _ lines: FieldLines,
    requiredBy section: StaticString
  ) throws(HandshakeFault) -> HeadPart {
    try HandshakeFields.single(lines, "Host", section, singleBy: "RFC 9112 §3.2")
  }

  /// The host of an extended CONNECT: `:authority`, which a `Host` field must not contradict
  /// (RFC 9113 §8.3.1).
  private func authorityAlone() throws(HandshakeFault) -> HeadPart {
    guard let authority else {
      return try Self.checked(hostField())
    }
    if case .none = fields.host { return try Self.checked(authority) }
    let field = try hostField()
    guard field == authority else {
      throw HandshakeFault(
        "Bad header, 'Host'",
        "\(quoted(field)) is not the authority \(quoted(authority)) (RFC 9113 §8.3.1)"
      )
    }
    return try Self.checked(authority)
  }

  private static func checked(_ host: HeadPart) throws(HandshakeFault) -> HeadPart {
    do throws(HTTP1Host.Fault) {
      try HTTP1Host.check(host.span)
      return host
    } catch {
      throw HandshakeFault("Bad header, 'Host'", "\(quoted(host)): \(error)")
    }
  }

  private func opening(
    host: HeadPart,
    target: HeadPart,
    key: HeadPart?
  ) throws(HandshakeFault) -> OpeningRequest {
    OpeningRequest(
      host: host,
      target: target,
      key: key,
      subprotocols: try fields.subprotocolList(),
      offers: try fields.extensionList()
    )
  }
}
