// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// Checks what was said in the opening handshake.
struct HandshakeChecker {
  let check: HandshakeCheck
  let variables: ScenarioVariables

  /// What differs; `nil` if nothing does.
  func difference(_ handshake: ScenarioPeer.Handshake) throws(ScenarioFailure) -> Difference? {
    let (name, value) = try subject(handshake)
    switch check.test {
    case .present: return value != nil ? nil : Difference("there is none", expected: name, seen: "no \(name)")
    case .absent:
      guard let value else { return nil }
      return Difference("there is one", expected: "no \(name)", seen: "\(name) \(ScenarioSeen.quoted(value))")
    case .text(let text):
      guard let value else {
        return Difference("there is none", expected: name, seen: "no \(name)")
      }
      let matcher = ExpectMatcher(expect: ExpectStep(content: .message), variables: variables)
      if case .differs(let difference) = try matcher.payload(text, value, name: name, isText: true) {
        return difference
      }
      return nil
    }
  }

  private func subject(_ handshake: ScenarioPeer.Handshake) throws(ScenarioFailure) -> (String, [UInt8]?) {
    switch check.subject {
    case .subprotocol: return ("subprotocol", handshake.subprotocol.map { Array($0.utf8) })
    case .compression: return ("permessage-deflate", handshake.isCompressed ? [] : nil)
    case .path:
      guard let path = handshake.path else {
        throw ScenarioFailure("the path is that of a client's request: only a server of the file sees it")
      }
      return ("path", Array(path.utf8))
    case .header(let text):
      guard let name = HTTPField.Name(text) else {
        throw ScenarioFailure("\(shownInQuotes(text)) is no field")
      }
      return ("header \(text)", handshake.fields[name].map { Array($0.utf8) })
    }
  }
}
