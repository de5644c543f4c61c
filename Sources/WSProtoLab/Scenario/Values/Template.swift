// SPDX-License-Identifier: Apache-2.0

/// Bytes in which variables stand, such as `{{name}}`.
package struct Template: Sendable, Hashable {
  package enum Piece: Sendable, Hashable {
    case bytes([UInt8])
    case variable(String)
  }

  package var pieces: [Piece] = []

  /// An empty one.
  package init() {}

  /// Bytes without variables.
  package init(bytes: [UInt8]) { append(bytes) }

  /// Bytes in which `{{name}}` is a variable; anything else in braces stays as it is.
  package init(scanning bytes: some Collection<UInt8>) {
    let bytes = Array(bytes)
    var start = 0
    var position = 0
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "{"), let (name, end) = Self.variable(in: bytes, at: position) {
        append(Array(bytes[start..<position]))
        pieces.append(.variable(name))
        position = end
        start = end
      } else {
        position += 1
      }
    }
    append(Array(bytes[start...]))
  }

  /// The variable whose first brace is at `position`, and the offset behind its last.
  package static func variable(in bytes: [UInt8], at position: Int) -> (name: String, end: Int)? {
    guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "{"),
      bytes[position + 1] == UInt8(ascii: "{")
    else { return nil }
    var end = position + 2
    while end < bytes.count, isNameByte(bytes[end]), end - position <= maxName { end += 1 }
    guard end > position + 2, end + 1 < bytes.count, bytes[end] == UInt8(ascii: "}"),
      bytes[end + 1] == UInt8(ascii: "}")
    else { return nil }
    return (String(decoding: bytes[(position + 2)..<end], as: UTF8.self), end + 2)
  }

  private static let maxName = 128

  /// Letters, digits, `_`, `-` and `.`.
  package static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  package mutating func append(_ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    if case .bytes(let before) = pieces.last {
      pieces[pieces.count - 1] = .bytes(before + bytes)
    } else {
      pieces.append(.bytes(bytes))
    }
  }

  /// The bytes, if there are no variables.
  package var fixed: [UInt8]? {
    switch pieces.first {
    case nil: []
    case .bytes(let bytes) where pieces.count == 1: bytes
    default: nil
    }
  }

  /// The bytes with the variables' values.
  package func bytes(_ variables: ScenarioVariables) throws(ScenarioFailure) -> [UInt8] {
    var all: [UInt8] = []
    for piece in pieces {
      switch piece {
      case .bytes(let bytes): all += bytes
      case .variable(let name): all += Array(try variables.value(name).text.utf8)
      }
    }
    return all
  }

  /// The same as text.
  package func text(_ variables: ScenarioVariables) throws(ScenarioFailure) -> String {
    let bytes = try bytes(variables)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ScenarioFailure("\(Escaping.quoted(bytes, limit: 80)) is not UTF-8")
    }
    return text
  }
}
