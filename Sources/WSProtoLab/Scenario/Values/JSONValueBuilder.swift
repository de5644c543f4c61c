// SPDX-License-Identifier: Apache-2.0

/// Puts values together from the parts of a text. Not recursive, so that depth costs no stack.
struct JSONValueBuilder {
  private struct Container {
    var isObject: Bool
    var elements: [JSONValue] = []
    var members: [JSONValue.Member] = []
    /// The name of the member whose value comes next.
    var name = ""
  }

  private var open: [Container] = []
  /// The value, when it is complete.
  private(set) var value: JSONValue?

  mutating func take(_ token: JSONTokenizer.Token) {
    switch token {
    case .beginArray: open.append(Container(isObject: false))
    case .beginObject: open.append(Container(isObject: true))
    case .endArray, .endObject:
      guard let closed = open.popLast() else { return }
      add(closed.isObject ? .object(closed.members) : .array(closed.elements))
    case .name(let name): if let last = open.indices.last { open[last].name = name }
    case .string(let bytes, _): add(.string(String(decoding: bytes, as: UTF8.self)))
    case .number(let number): add(.number(number))
    case .bool(let bool): add(.bool(bool))
    case .null: add(.null)
    }
  }

  private mutating func add(_ new: JSONValue) {
    guard let last = open.indices.last else {
      value = new
      return
    }
    if open[last].isObject {
      open[last].members.append(JSONValue.Member(name: open[last].name, value: new))
    } else {
      open[last].elements.append(new)
    }
  }
}
