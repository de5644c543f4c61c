// SPDX-License-Identifier: Apache-2.0

/// One parameter of an extension in `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
public struct ExtensionParameter: Sendable, Hashable {
  /// The name, as it was sent.
  public var name: String
  /// The value without quotes and escapes; `nil` if the parameter has no value.
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
/// Parameters keep their order, and repeated parameters are kept: it is up to the extension whether that is
/// legal.
public struct ExtensionHeader: Sendable, Hashable, CustomStringConvertible {
  /// The token of the extension, as it was sent.
  public var name: String
  /// The parameters in order.
  public var parameters: [ExtensionParameter]

  /// An extension with its parameters.
  public init(name: String, parameters: [ExtensionParameter] = []) {
    self.name = name
    self.parameters = parameters
  }

  /// The element as sent on the wire: `name; parameter=value; parameter`. A value that isn't a token is
  /// quoted.
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

  /// Parses the value of a `Sec-WebSocket-Extensions` field, or several joined by commas.
  ///
  /// The time is linear in the length of the value.
  ///
  /// - Returns: at least one element, in order.
  /// - Throws: ``ExtensionHeaderError``. RFC 6455 §9.1 allows the receiver of such a field to fail the
  ///   connection.
  public static func parseList(_ value: String) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    try parseList(Array(value.utf8)[...])
  }

  /// Parses the bytes of a field's value. Offsets in errors are relative to its first byte.
  static func parseList(_ value: ArraySlice<UInt8>) throws(ExtensionHeaderError) -> [ExtensionHeader] {
    var parser = ExtensionHeaderParser(bytes: value)
    return try parser.list()
  }
}
