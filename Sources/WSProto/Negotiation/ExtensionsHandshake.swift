// SPDX-License-Identifier: Apache-2.0

/// The server's half of the negotiation (RFC 6455 §9.1). Each offer, in order, is passed to the extensions
/// with its name. If an extension is offered several times, the first offer that is accepted counts
/// (RFC 7692 §5.1).
///
/// - Parameters:
///   - requested: the offers of the client's request.
///   - supported: the extensions that the server has; the ones that accept are modified.
/// - Returns: the value of the response's `Sec-WebSocket-Extensions`; `nil` if nothing was accepted.
/// - Throws: `LocalProtocolError` if an extension's answer cannot be written.
public func serverExtensionsHandshake(
  _ requested: [ExtensionHeader],
  _ supported: inout [any Extension]
) throws(LocalProtocolError) -> String? {
  var answer: [UInt8] = []
  try appendServerExtensionsHandshake(requested, &supported, to: &answer)
  return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
}

/// Appends the value of the response's `Sec-WebSocket-Extensions` to `output`, or nothing if nothing was
/// accepted.
func appendServerExtensionsHandshake(
  _ requested: [ExtensionHeader],
  _ supported: inout [any Extension],
  to output: inout [UInt8]
) throws(LocalProtocolError) {
  // At most as many as there are in `supported`, whatever the client offers.
  var accepted: [String] = []
  for offer in requested {
    for index in supported.indices where supported[index].name == offer.name {
      if accepted.contains(offer.name) { break }
      guard let parameters = supported[index].accept(offer) else { continue }
      try ExtensionHeader(name: offer.name, parameters: parameters).write(to: &output)
      // Only needed if there are further offers.
      if requested.count > 1 { accepted.append(offer.name) }
      break
    }
  }
}

/// The client's half (RFC 6455 §9.1): each extension in the server's answer must have been offered, and may
/// appear only once.
///
/// - Parameters:
///   - accepted: the server's answer.
///   - supported: what the client offered.
/// - Returns: the extensions in use, in the order of the answer.
/// - Throws: `RemoteProtocolError` for an extension that was not offered, was repeated, or has illegal parameters.
public func clientExtensionsHandshake(
  _ accepted: [ExtensionHeader],
  _ supported: [any Extension]
) throws(RemoteProtocolError) -> [any Extension] {
  do throws(HandshakeFault) {
    return try extensionsInUse(accepted, supported)
  } catch {
    throw RemoteProtocolError(error, for: .client)
  }
}

/// See ``clientExtensionsHandshake(_:_:)``.
func extensionsInUse(
  _ accepted: [ExtensionHeader],
  _ supported: [any Extension]
) throws(HandshakeFault) -> [any Extension] {
  var inUse: [any Extension] = []
  for answer in accepted {
    guard var found = supported.first(where: { $0.name == answer.name }) else {
      throw HandshakeFault(
        "unrecognized extension \(shown(answer.name))",
        "it was not offered (RFC 6455 §9.1)"
      )
    }
    if inUse.contains(where: { $0.name == answer.name }) {
      throw HandshakeFault("the extension \(shown(answer.name)) was accepted twice", "RFC 6455 §9.1")
    }
    do throws(NegotiationError) {
      try found.finalize(answer)
    } catch {
      throw HandshakeFault(error.message, error.detail)
    }
    inUse.append(found)
  }
  return inUse
}

/// The value of a request's `Sec-WebSocket-Extensions`: all offers of these extensions; empty if there are
/// none.
func extensionOffers(of extensions: [any Extension]) throws(LocalProtocolError) -> [UInt8] {
  var offers: [UInt8] = []
  for one in extensions {
    for parameters in one.offers() {
      try ExtensionHeader(name: one.name, parameters: parameters).write(to: &offers)
    }
  }
  return offers
}

extension ExtensionHeader {
  /// Appends the element to a list.
  ///
  /// This is where texts from extensions become part of a head, so they are checked here: names and values
  /// must be tokens (RFC 6455 §9.1), or the peer would read something else.
  func write(to list: inout [UInt8]) throws(LocalProtocolError) {
    func notToken(_ text: String, _ what: StaticString) -> LocalProtocolError {
      LocalProtocolError(
        "\(what) of the extension \(quoted(name)) is \(quoted(text)), which is not a token (RFC 6455 §9.1)",
        .head
      )
    }
    guard name.isHTTPToken else { throw notToken(name, "the name") }
    for parameter in parameters {
      guard parameter.name.isHTTPToken else { throw notToken(parameter.name, "a parameter") }
      if let value = parameter.value, !value.isHTTPToken { throw notToken(value, "a value") }
    }
    if !list.isEmpty { list += [HTTP1Bytes.comma, HTTP1Bytes.space] }
    append(to: &list)
  }
}
