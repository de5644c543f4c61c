// SPDX-License-Identifier: Apache-2.0

/// A value from the peer, for messages and logs: quoted, cut to 80 characters, and with everything escaped
/// except visible ASCII and spaces, so that it can neither forge a log line nor flood the log.
package func quoted(_ value: String) -> String {
  let (text, isCut) = escaped(value)
  return isCut ? "\"\(text)\"…" : "\"\(text)\""
}

/// The same for a value in bytes. Each byte becomes the character with that number, because no encoding is
/// agreed on (RFC 9110 §5.5).
package func quoted(_ value: some Sequence<UInt8>) -> String {
  var text = ""
  // Take one more than is shown, so that a longer value is marked as cut.
  for byte in value.lazy.prefix(shownCharacters + 1) { text.unicodeScalars.append(Unicode.Scalar(byte)) }
  return quoted(text)
}

/// The same without the quotes, for names in messages whose wording is wsproto's.
func shown(_ value: String) -> String {
  let (text, isCut) = escaped(value)
  return isCut ? text + "…" : text
}

private let shownCharacters = 80

private func escaped(_ value: String) -> (text: String, isCut: Bool) {
  var text = ""
  for (index, scalar) in value.unicodeScalars.enumerated() {
    if index == shownCharacters { return (text, true) }
    switch scalar {
    case "\"": text += "\\\""
    case "\\": text += "\\\\"
    case " "..."~": text.unicodeScalars.append(scalar)
    default: text += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return (text, false)
}
