// SPDX-License-Identifier: Apache-2.0

/// JSON in which variables stand: within strings as text, elsewhere as values.
package struct JSONTemplate: Sendable {
  /// Variables outside of strings are strings here that begin with the mark.
  private let value: JSONValue
  private let hasVariables: Bool

  /// What the reader puts before a variable that stands for a value: a character that is in no file.
  static let mark = "\u{0}"

  init(_ value: JSONValue) {
    self.value = value
    hasVariables = true
  }

  /// A value in which nothing is a variable.
  package init(constant value: JSONValue) {
    self.value = value
    hasVariables = false
  }

  /// The value, with the variables' values.
  package func value(_ variables: ScenarioVariables) throws(ScenarioFailure) -> JSONValue {
    hasVariables ? try Self.resolve(value, variables) : value
  }

  private static func resolve(
    _ value: JSONValue,
    _ variables: ScenarioVariables
  ) throws(ScenarioFailure) -> JSONValue {
    switch value {
    case .null, .bool, .number: return value
    case .string(let text):
      if text.hasPrefix(mark) { return try variables.value(String(text.dropFirst())).json }
      return .string(try Template(scanning: text.utf8).text(variables))
    case .array(let elements):
      var resolved: [JSONValue] = []
      for element in elements { resolved.append(try resolve(element, variables)) }
      return .array(resolved)
    case .object(let members):
      var resolved: [JSONValue.Member] = []
      for member in members {
        let name = try Template(scanning: member.name.utf8).text(variables)
        resolved.append(JSONValue.Member(name: name, value: try resolve(member.value, variables)))
      }
      return .object(resolved)
    }
  }
}
