// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A command typed at the proxy's prompt.
package enum ProxyInput: Equatable, Sendable {
  case decide(HeldDecision)
  /// Sends a frame to a receiver, in the connection with this number, or in the latest if it is `nil`.
  case inject(Injection, ProxyRule.Scope, connection: Int?)

  /// A description of the commands.
  package static let commands = [
    "p                 passes the message that is held, the oldest first",
    "e TEXT            passes TEXT in its place; e alone brings its text to the prompt",
    "d                 drops it",
    "/inject [#N] to-client|to-server text|binary|ping|pong|close …",
    "                  sends a frame of our own; binary takes hexadecimal, close a code and a reason",
  ]
}

/// A line that is not a valid command.
package struct ProxyInputError: Error, Equatable, CustomStringConvertible {
  package var description: String
}

extension ProxyInput {
  /// - Throws: ``ProxyInputError``, which says what was expected.
  package init(typed line: String) throws(ProxyInputError) {
    let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
    let rest = parts.count > 1 ? String(parts[1]) : ""
    switch parts.first.map(String.init) ?? "" {
    case "p": self = .decide(.pass)
    case "d": self = .decide(.drop)
    case "e": self = .decide(.edit(Array(rest.utf8)))
    case "/inject": self = try Self.injection(rest)
    case let other:
      throw ProxyInputError(
        description: "expected p, e TEXT, d or /inject, not \(shownInQuotes(other, limit: 40))"
      )
    }
  }

  private static func injection(_ text: String) throws(ProxyInputError) -> ProxyInput {
    var rest = text[...]
    func word() -> String {
      rest = rest.drop { $0 == " " }
      let word = rest.prefix { $0 != " " }
      rest = rest.dropFirst(word.count)
      return String(word)
    }
    var first = word()
    var connection: Int?
    if first.hasPrefix("#") {
      guard let number = Int(first.dropFirst()) else {
        throw ProxyInputError(description: "expected a connection's number behind #")
      }
      connection = number
      first = word()
    }
    guard let receiver = ProxyRule.Scope(rawValue: first), receiver != .both else {
      throw ProxyInputError(
        description: "/inject: expected to-client or to-server, not \(shownInQuotes(first, limit: 40))"
      )
    }
    let name = word()
    guard let kind = Injection.Kind(rawValue: name) else {
      let kinds = Injection.Kind.allCases.map(\.rawValue).joined(separator: ", ")
      throw ProxyInputError(
        description: "/inject: expected one of \(kinds), not \(shownInQuotes(name, limit: 40))"
      )
    }
    let payload = try Self.payload(kind, String(rest.dropFirst()))
    return .inject(Injection(kind, payload), receiver, connection: connection)
  }

  private static func payload(_ kind: Injection.Kind, _ text: String) throws(ProxyInputError) -> [UInt8] {
    switch kind {
    case .text: return Array(text.utf8)
    case .binary:
      guard let bytes = bytes(hex: text) else {
        throw ProxyInputError(description: "/inject: binary takes hexadecimal digits, such as 01 ff")
      }
      return bytes
    case .ping, .pong:
      guard text.utf8.count <= 125 else {
        throw ProxyInputError(description: "/inject: a \(kind.rawValue) has 125 bytes at most")
      }
      return Array(text.utf8)
    case .close:
      guard !text.isEmpty else { return [] }
      let parts = text.split(separator: " ", maxSplits: 1)
      let reason = parts.count > 1 ? Array(parts[1].utf8) : []
      guard let code = parts.first.flatMap({ UInt16($0) }), reason.count <= 123 else {
        throw ProxyInputError(
          description:
            "/inject: close takes a code and a reason of 123 bytes at most, such as 1011 overloaded"
        )
      }
      return [UInt8(code >> 8), UInt8(code & 0xFF)] + reason
    }
  }
}
