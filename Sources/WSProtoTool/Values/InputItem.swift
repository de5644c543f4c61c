// SPDX-License-Identifier: Apache-2.0

#if Tool
import Foundation
import WSProtoLab

/// What the user sends: typed, piped or as JSON.
package enum InputItem: Equatable, Sendable {
  case text(String)
  case binary([UInt8])
  case file(String)
  case ping
  case pong([UInt8])
  case close(code: UInt16, reason: String?)
  case help
}

/// An input that means nothing, in words.
package struct InvalidInput: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(description: String) { self.description = description }
}

extension InputItem {
  /// What a line typed at the prompt means: a command behind a slash, else a text. Two slashes send one.
  package init(typed line: String) throws(InvalidInput) {
    guard line.first == "/" else {
      self = .text(line)
      return
    }
    if line.hasPrefix("//") {
      self = .text(String(line.dropFirst()))
      return
    }
    let parts = line.dropFirst().split(separator: " ", maxSplits: 1)
    let rest = parts.count > 1 ? String(parts[1]) : ""
    switch parts.first ?? "" {
    case "ping", "latency": self = .ping
    case "pong":
      guard rest.utf8.count <= 125 else { throw InvalidInput(description: "a pong has 125 bytes at most") }
      self = .pong(Array(rest.utf8))
    case "binary":
      guard let data = bytes(hex: rest) else {
        throw InvalidInput(description: "/binary takes hexadecimal digits, such as 01 ff")
      }
      self = .binary(data)
    case "file":
      guard !rest.isEmpty else { throw InvalidInput(description: "/file takes the path of a file") }
      self = .file(rest)
    case "close":
      let words = rest.split(separator: " ", maxSplits: 1)
      guard let first = words.first else {
        self = .close(code: 1000, reason: nil)
        return
      }
      self = try .closing(UInt16(first), words.count > 1 ? String(words[1]) : nil, of: String(first))
    case "help": self = .help
    case let name:
      throw InvalidInput(
        description: "there is no command /\(shown(String(name))): /help lists them, // sends a slash"
      )
    }
  }

  /// What the commands are, on one connection.
  package static let commands =
    [
      "/ping                   a ping; shows the round trip's time",
      "/pong [text]            a pong that answers nothing",
    ] + messages + ["/close [1000 [reason]]  closes; so do Ctrl-D and Ctrl-C"]

  /// What the commands are where each message goes to all connections.
  package static let commandsForAll = messages + ["Ctrl-D or Ctrl-C        stops the server"]

  private static let messages = [
    "/binary 01 ff           a binary message",
    "/file PATH              the contents of a file, as a binary message",
    "//text                  a text that begins with a slash",
  ]

  /// A line of `--json`, such as `{"event":"textMessage","text":"hello"}`; members that it doesn't need are ignored.
  package init(json line: some Collection<UInt8>) throws(InvalidInput) {
    let parsed: JSONEvent
    do {
      parsed = try JSONDecoder().decode(JSONEvent.self, from: Data(line))
    } catch {
      if let name = Self.member(of: error), name != "event" {
        throw InvalidInput(description: "\"\(name)\" is not \(name == "code" ? "a number" : "a string")")
      }
      let start = shownInQuotes(String(decoding: line.prefix(80), as: UTF8.self), limit: 60)
      throw InvalidInput(description: "not a JSON object with a member \"event\": \(start)")
    }
    func payload() throws(InvalidInput) -> [UInt8] {
      guard let data = bytes(hex: parsed.hex ?? "") else {
        throw InvalidInput(
          description: "\"hex\" is not hexadecimal: \(shownInQuotes(parsed.hex ?? "", limit: 60))"
        )
      }
      return data
    }
    switch parsed.event {
    case "textMessage":
      guard let text = parsed.text else { throw InvalidInput(description: "a textMessage needs \"text\"") }
      self = .text(text)
    case "bytesMessage": self = .binary(try payload())
    case "ping": self = .ping
    case "pong": self = .pong(try payload())
    case "closeConnection":
      let code = parsed.code ?? 1000
      let text = Int(exactly: code).map(String.init) ?? "\(code)"
      self = try .closing(UInt16(exactly: code), parsed.reason, of: text)
    case let event:
      throw InvalidInput(description: "the event \(shownInQuotes(event, limit: 60)) cannot be sent")
    }
  }

  /// The member whose value is of another type than it should be, if that is what is wrong.
  private static func member(of error: any Error) -> String? {
    switch error as? DecodingError {
    case .typeMismatch(_, let context), .dataCorrupted(let context): context.codingPath.last?.stringValue
    default: nil
    }
  }

  /// The members of a line of `--json` that are read.
  private struct JSONEvent: Decodable {
    var event: String
    var text: String?
    var hex: String?
    var code: Double?
    var reason: String?
  }

  private static func closing(_ code: UInt16?, _ reason: String?, of text: String) throws(InvalidInput)
    -> InputItem
  {
    switch code {
    case .some(1000...1003), .some(1007...1014), .some(3000...4999), .some(1005):
      if code == 1005, reason != nil {
        throw InvalidInput(description: "a reason needs a code other than 1005")
      }
      if let reason, reason.utf8.count > 123 {
        throw InvalidInput(description: "the reason of a Close has 123 bytes at most")
      }
      return .close(code: code ?? 1000, reason: reason)
    default:
      throw InvalidInput(
        description:
          "a Close cannot have the code \(shown(text)): 1000...1003, 1007...1014, 3000...4999, or 1005 for none"
      )
    }
  }
}
#endif
