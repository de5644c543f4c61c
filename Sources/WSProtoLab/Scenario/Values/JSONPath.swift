// SPDX-License-Identifier: Apache-2.0

/// A place in a JSON text, in the part of JSONPath (RFC 9535) that names one place: `$.a.b[0]["c d"]`, and `[-1]` for the
/// last element.
package struct JSONPath: Sendable, Hashable, CustomStringConvertible {
  package enum Part: Sendable, Hashable {
    case member(String)
    case element(Int)
  }

  package var parts: [Part] = []

  package init(_ parts: [Part] = []) { self.parts = parts }

  /// The value there; `nil` if there is none.
  package func value(in root: JSONValue) -> JSONValue? {
    var value = root
    for part in parts {
      switch part {
      case .member(let name):
        guard let member = value.member(name) else { return nil }
        value = member
      case .element(let index):
        guard case .array(let elements) = value else { return nil }
        let position = index < 0 ? elements.count + index : index
        guard elements.indices.contains(position) else { return nil }
        value = elements[position]
      }
    }
    return value
  }

  package var description: String {
    parts.reduce("$") { text, part in
      switch part {
      case .member(let name) where !name.isEmpty && name.utf8.allSatisfy(Self.isNameByte): "\(text).\(name)"
      case .member(let name): "\(text)[\(JSONLine.quoted(name))]"
      case .element(let index): "\(text)[\(index)]"
      }
    }
  }

  /// What a name without quotes consists of: letters, also beyond ASCII, digits, `_` and `-`.
  static func isNameByte(_ byte: UInt8) -> Bool {
    byte >= 0x80 || byte != UInt8(ascii: ".") && Template.isNameByte(byte)
  }
}
