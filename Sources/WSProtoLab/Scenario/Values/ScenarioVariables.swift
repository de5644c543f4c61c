// SPDX-License-Identifier: Apache-2.0

/// A variable's value: text, or a part of a JSON text, which keeps its type.
package enum ScenarioVariable: Sendable {
  case text(String)
  case json(JSONValue)

  /// Within text: strings without quotes.
  package var text: String {
    switch self {
    case .text(let text), .json(.string(let text)): text
    case .json(let value): value.compact
    }
  }

  /// Within JSON: text that is JSON is that, other text is a string.
  package var json: JSONValue {
    switch self {
    case .json(let value): value
    case .text(let text): (try? JSONValue(parsing: Array(text.utf8))) ?? .string(text)
    }
  }
}

/// The variables of a test.
package struct ScenarioVariables: Sendable {
  private var values: [String: ScenarioVariable]
  private let environment: [String: String]

  package init(_ values: [String: ScenarioVariable] = [:], environment: [String: String] = [:]) {
    self.values = values
    self.environment = environment
  }

  /// Gives a variable a value.
  package mutating func set(_ name: String, _ value: ScenarioVariable) { values[name] = value }

  /// Whether somebody has given it a value.
  package func has(_ name: String) -> Bool { values[name] != nil }

  /// A variable's value; `env.NAME` is one of the environment's.
  package func value(_ name: String) throws(ScenarioFailure) -> ScenarioVariable {
    if let value = values[name] { return value }
    if name.hasPrefix("env.") {
      let key = String(name.dropFirst(4))
      if let value = environment[key] { return .text(value) }
      throw ScenarioFailure("there is no environment variable \(shownInQuotes(key))")
    }
    throw ScenarioFailure("there is no variable \(shownInQuotes(name)): set it, capture it, or use --set")
  }
}

/// Why a step cannot be taken, in words.
package struct ScenarioFailure: Error, Sendable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}
