// SPDX-License-Identifier: Apache-2.0

/// One parameter of an extension in `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
public struct ExtensionParameter: Sendable, Hashable {
  /// The name, as it was sent.
  public var name: String
  /// The value without quotes and escapes, or nil where the parameter has none.
  public var value: String?

  /// A parameter, with or without a value.
  public init(name: String, value: String? = nil) {
    self.name = name
    self.value = value
  }
}

/// One element of `Sec-WebSocket-Extensions`: an extension with its parameters, offered or accepted
/// (RFC 6455 §9.1).
///
/// Parameters keep their order, and a repeated one stays repeated: whether that is legal is for the extension to
/// say.
public struct ExtensionHeader: Sendable, Hashable, CustomStringConvertible {
  /// The token of the extension, as it was sent.
  public var name: String
  /// The parameters in their order.
  public var parameters: [ExtensionParameter]

  /// An extension with its parameters.
  public init(name: String, parameters: [ExtensionParameter] = []) {
    self.name = name
    self.parameters = parameters
  }

  /// The element as it goes on the wire: `name; parameter=value; parameter`, quoted where the value is no token.
  public var description: String {
    var text = name
    for parameter in parameters {
      text += "; " + parameter.name
      guard let value = parameter.value else { continue }
      text += "="
      if !value.isEmpty, value.utf8.allSatisfy(HTTP1Bytes.isToken) {
        text += value
      } else {
        text += "\""
        for scalar in value.unicodeScalars {
          if scalar == "\"" || scalar == "\\" { text += "\\" }
          text.unicodeScalars.append(scalar)
        }
        text += "\""
      }
    }
    return text
  }

  /// Reads the value of one `Sec-WebSocket-Extensions` field, or several joined by commas.
  ///
  /// The work is linear in the length of the value.
  ///
  /// - Returns: at least one element, in order.
  /// - Throws: ``ExtensionHeaderError``; RFC 6455 §9.1 lets the receiver of such a field fail the connection.
  public static func parseList(_ value: String) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    var parser = ExtensionHeaderParser(bytes: Array(value.utf8)[...])
    return try parser.list()
  }

  /// Reads the bytes of a field's value. Offsets in errors count from the first of them.
  static func parseList(_ value: ArraySlice<UInt8>) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    var parser = ExtensionHeaderParser(bytes: value)
    return try parser.list()
  }
}
