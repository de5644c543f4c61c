// SPDX-License-Identifier: Apache-2.0

/// Checks a condition on a part of a JSON text.
struct JSONConditionCheck {
  let condition: JSONCondition
  let variables: ScenarioVariables

  /// What is there instead; `nil` if the condition holds.
  func failure(in root: JSONValue) throws(ScenarioFailure) -> String? {
    let path = condition.path.description
    guard let value = condition.path.value(in: root) else {
      if case .absent = condition.test { return nil }
      return "there is no \(path)"
    }
    if condition.isLength {
      guard let length = value.length else { return "\(path) is \(shown(value)), which has no length" }
      return try holds(.number(String(length))) ? nil : "the length of \(path) is \(length)"
    }
    return try holds(value) ? nil : "\(path) is \(shown(value))"
  }

  private func shown(_ value: JSONValue) -> String {
    let text = value.compact
    return text.count > 200 ? text.prefix(200) + "…" : text
  }

  private func holds(_ value: JSONValue) throws(ScenarioFailure) -> Bool {
    switch condition.test {
    case .exists: return true
    case .absent: return false
    case .kind(let kind): return value.kind == kind
    case .compares(let comparison, let template):
      return Self.compare(value, comparison, try template.value(variables))
    case .includes(let template): return value.includes(try template.value(variables))
    case .contains(let template):
      let wanted = try template.value(variables)
      switch (value, wanted) {
      case (.array(let elements), _): return elements.contains(wanted)
      case (.string(let text), .string(let part)): return part.isEmpty || text.contains(part)
      case (.object, .string(let name)): return value.member(name) != nil
      default: return false
      }
    case .matches(let pattern):
      guard case .string(let text) = value else { return false }
      return try pattern.firstMatch(in: text) != nil
    }
  }

  /// Numbers and strings have an order; other values are equal or not.
  private static func compare(_ value: JSONValue, _ comparison: Comparison, _ wanted: JSONValue) -> Bool {
    switch (comparison, value, wanted) {
    case (.equal, _, _): return value == wanted
    case (.unequal, _, _): return value != wanted
    case (_, .number(let one), .number(let other)):
      guard let one = Double(one), let other = Double(other) else { return false }
      return comparison.holds(one, other)
    case (_, .string(let one), .string(let other)): return comparison.holds(one, other)
    default: return false
    }
  }
}
