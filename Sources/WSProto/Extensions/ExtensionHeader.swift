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
    var text: [UInt8] = []
    append(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends ``description`` to `output`.
  func append(to output: inout [UInt8]) {
    output.append(contentsOf: name.utf8)
    for parameter in parameters {
      output.append(0x3b)
      output.append(HTTP1Bytes.space)
      output.append(contentsOf: parameter.name.utf8)
      guard let value = parameter.value else { continue }
      output.append(0x3d)
      if value.isHTTPToken {
        output.append(contentsOf: value.utf8)
      } else {
        output.append(0x22)
        for byte in value.utf8 {
          if byte == 0x22 || byte == 0x5c { output.append(0x5c) }
          output.append(byte)
        }
        output.append(0x22)
      }
    }
  }

  /// Reads the value of one `Sec-WebSocket-Extensions` field, or several joined by commas.
  ///
  /// The work is linear in the length of the value.
  ///
  /// - Returns: at least one element, in order.
  /// - Throws: ``ExtensionHeaderError``; RFC 6455 §9.1 lets the receiver of such a field fail the connection.
  public static func parseList(_ value: String) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    try parseList(Array(value.utf8)[...])
  }

  /// Reads the bytes of a field's value. Offsets in errors count from the first of them.
  static func parseList(_ value: ArraySlice<UInt8>) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    var parser = ExtensionHeaderParser(bytes: value)
    return try parser.list()
  }
}
