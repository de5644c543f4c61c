// SPDX-License-Identifier: Apache-2.0

/// The server's half of the negotiation (RFC 6455 §9.1): each offer is put before the extensions of its name, in the
/// order of the offers; of several offers of one extension the first that is accepted counts (RFC 7692 §5.1).
///
/// - Parameters:
///   - requested: the offers of the client's request.
///   - supported: what the server has; those that accept are changed by it.
/// - Returns: the value of the response's `Sec-WebSocket-Extensions`; `nil` if nothing was accepted.
public func serverExtensionsHandshake(
  _ requested: [ExtensionHeader],
  _ supported: inout [any Extension]
) -> String? {
  var answer: [UInt8] = []
  appendServerExtensionsHandshake(requested, &supported, to: &answer)
  return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self)
}

/// Appends the value of the response's `Sec-WebSocket-Extensions` to `output`; nothing if nothing was accepted.
func appendServerExtensionsHandshake(
  _ requested: [ExtensionHeader],
  _ supported: inout [any Extension],
  to output: inout [UInt8]
) {
  // No more than there are in `supported`, whatever the client offers.
  var accepted: [String] = []
  for offer in requested {
    for index in supported.indices where supported[index].name == offer.name {
      if accepted.contains(offer.name) { break }
      guard let parameters = supported[index].accept(offer) else { continue }
      if !accepted.isEmpty { output.append(contentsOf: [HTTP1Bytes.comma, HTTP1Bytes.space]) }
      ExtensionHeader(name: offer.name, parameters: parameters).append(to: &output)
      // Looked up by further offers only.
      if requested.count > 1 { accepted.append(offer.name) }
      break
    }
  }
}

/// The client's half (RFC 6455 §9.1): each extension in the server's answer must be one that was offered, once.
///
/// - Parameters:
///   - accepted: the server's answer.
///   - supported: what the client has offered.
/// - Returns: the extensions in use, in the order of the answer.
/// - Throws: `RemoteProtocolError` for an extension that was not offered, was repeated, or has illegal parameters.
public func clientExtensionsHandshake(
  _ accepted: [ExtensionHeader],
  _ supported: [any Extension]
) throws(RemoteProtocolError) -> [any Extension] {
  var inUse: [any Extension] = []
  for answer in accepted {
    guard var found = supported.first(where: { $0.name == answer.name }) else {
      throw RemoteProtocolError("unrecognized extension \(answer.name)")
    }
    if inUse.contains(where: { $0.name == answer.name }) {
      throw RemoteProtocolError("the extension \(answer.name) was accepted twice")
    }
    do throws(NegotiationError) {
      try found.finalize(answer)
    } catch {
      throw RemoteProtocolError(error)
    }
    inUse.append(found)
  }
  return inUse
}
