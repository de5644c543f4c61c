// SPDX-License-Identifier: Apache-2.0

/// A value of the peer's, for messages and logs: in quotes, cut to 80 characters, and with everything but visible ASCII
/// and the space escaped, so that it can neither forge a line nor run on.
func quoted(_ value: String) -> String {
  let (text, isCut) = escaped(value)
  return isCut ? "\"\(text)\"…" : "\"\(text)\""
}

/// The same for a value in bytes; each stands for the character of its number, as no encoding is agreed on
/// (RFC 9110 §5.5).
func quoted(_ value: some Sequence<UInt8>) -> String {
  var text = ""
  // One more than is shown, so that a longer value is marked as cut.
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
