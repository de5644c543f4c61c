// SPDX-License-Identifier: Apache-2.0

/// The parameters of permessage-deflate in one offer or answer (RFC 7692 §7.1).
struct PerMessageDeflateParameters: Sendable, Hashable {
  /// Why parameters are not a legal offer or answer.
  struct Violation: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  /// A window parameter: absent, present without a value, or with a value of 8...15.
  enum WindowBits: Sendable, Hashable {
    case absent, unspecified
    case bits(Int)

    /// The largest window that it allows.
    var maximum: Int {
      if case .bits(let bits) = self { bits } else { PerMessageDeflate.defaultMaxWindowBits }
    }
  }

  var clientNoContextTakeover = false
  var clientMaxWindowBits = WindowBits.absent
  var serverNoContextTakeover = false
  var serverMaxWindowBits = WindowBits.absent

  static let clientNoContextTakeoverName = "client_no_context_takeover"
  static let clientMaxWindowBitsName = "client_max_window_bits"
  static let serverNoContextTakeoverName = "server_no_context_takeover"
  static let serverMaxWindowBitsName = "server_max_window_bits"

  init() {}

  /// The name of the extension or a parameter, if `token` matches it exactly. Doesn't allocate.
  static func knownName(_ token: Span<UInt8>) -> String? {
    switch token.count {
    case 18: equals(token, "permessage-deflate") ? PerMessageDeflate.name : nil
    case 22:
      if equals(token, "client_max_window_bits") {
        clientMaxWindowBitsName
      } else {
        equals(token, "server_max_window_bits") ? serverMaxWindowBitsName : nil
      }
    case 26:
      if equals(token, "client_no_context_takeover") {
        clientNoContextTakeoverName
      } else {
        equals(token, "server_no_context_takeover") ? serverNoContextTakeoverName : nil
      }
    default: nil
    }
  }

  private static func equals(_ token: Span<UInt8>, _ name: StaticString) -> Bool {
    guard token.count == name.utf8CodeUnitCount else { return false }
    let expected = name.utf8Start
    // Both have the same number of bytes.
    for index in 0..<token.count where token[index] != expected[index] { return false }
    return true
  }

  /// Parses the parameters of an offer or an answer. In an answer, `client_max_window_bits` must have a value
  /// (§7.1.2.2).
  ///
  /// Strict, as §7 requires: a parameter that is unknown, repeated or has an illegal value is a violation.
  init(parsing parameters: [ExtensionParameter], answer: Bool) throws(Violation) {
    for parameter in parameters {
      switch parameter.name {
      case Self.clientNoContextTakeoverName:
        try Self.set(&clientNoContextTakeover, parameter)
      case Self.serverNoContextTakeoverName:
        try Self.set(&serverNoContextTakeover, parameter)
      case Self.clientMaxWindowBitsName:
        try Self.set(&clientMaxWindowBits, parameter, needsValue: answer)
      case Self.serverMaxWindowBitsName:
        try Self.set(&serverMaxWindowBits, parameter, needsValue: true)
      default:
        throw Violation("unknown parameter \(parameter.name)")
      }
    }
  }

  private static func set(_ flag: inout Bool, _ parameter: ExtensionParameter) throws(Violation) {
    if flag { throw Violation("\(parameter.name) is repeated") }
    if parameter.value != nil { throw Violation("\(parameter.name) must not have a value") }
    flag = true
  }

  private static func set(
    _ window: inout WindowBits,
    _ parameter: ExtensionParameter,
    needsValue: Bool
  ) throws(Violation) {
    if window != .absent { throw Violation("\(parameter.name) is repeated") }
    guard let value = parameter.value else {
      if needsValue { throw Violation("\(parameter.name) must have a value") }
      window = .unspecified
      return
    }
    guard let bits = bits(value) else { throw Violation("\(parameter.name) must be 8 to 15") }
    window = .bits(bits)
  }

  /// A decimal number from 8 to 15, without a sign or leading zeros (§7.1.2).
  private static func bits(_ value: String) -> Int? {
    switch value {
    case "8": 8
    case "9": 9
    case "10": 10
    case "11": 11
    case "12": 12
    case "13": 13
    case "14": 14
    case "15": 15
    default: nil
    }
  }

  /// The parameters as sent in an offer, in wsproto's order.
  var offer: [ExtensionParameter] {
    var parameters: [ExtensionParameter] = []
    appendWindows(to: &parameters)
    appendFlags(to: &parameters)
    return parameters
  }

  /// The parameters as sent in an answer, in wsproto's order.
  var answer: [ExtensionParameter] {
    var parameters: [ExtensionParameter] = []
    appendFlags(to: &parameters)
    appendWindows(to: &parameters)
    return parameters
  }

  private func appendWindows(to parameters: inout [ExtensionParameter]) {
    Self.append(Self.clientMaxWindowBitsName, clientMaxWindowBits, to: &parameters)
    Self.append(Self.serverMaxWindowBitsName, serverMaxWindowBits, to: &parameters)
  }

  private func appendFlags(to parameters: inout [ExtensionParameter]) {
    if clientNoContextTakeover {
      parameters.append(ExtensionParameter(name: Self.clientNoContextTakeoverName))
    }
    if serverNoContextTakeover {
      parameters.append(ExtensionParameter(name: Self.serverNoContextTakeoverName))
    }
  }

  private static func append(_ name: String, _ window: WindowBits, to parameters: inout [ExtensionParameter])
  {
    switch window {
    case .absent: break
    case .unspecified: parameters.append(ExtensionParameter(name: name))
    case .bits(let bits): parameters.append(ExtensionParameter(name: name, value: String(bits)))
    }
  }

  /// Throws if `answer` is not a legal answer to this offer (§7.1.1, §7.1.2).
  func check(answer: PerMessageDeflateParameters) throws(Violation) {
    if serverNoContextTakeover, !answer.serverNoContextTakeover {
      throw Violation("\(Self.serverNoContextTakeoverName) was asked for")
    }
    // If the answer omits the parameter, the server may use 15 bits.
    if serverMaxWindowBits != .absent, answer.serverMaxWindowBits.maximum > serverMaxWindowBits.maximum {
      throw Violation("\(Self.serverMaxWindowBitsName) must be at most \(serverMaxWindowBits.maximum)")
    }
    if clientMaxWindowBits == .absent, answer.clientMaxWindowBits != .absent {
      throw Violation("\(Self.clientMaxWindowBitsName) was not offered")
    }
  }
}
