// SPDX-License-Identifier: Apache-2.0

/// A value of the peer's, for messages and logs: in quotes, cut to 80 characters, and with everything but visible ASCII
/// and the space escaped, so that it can neither forge a line nor run on.
func quoted(_ value: String) -> String {
  let shown = 80
  var text = "\""
  for (index, scalar) in value.unicodeScalars.enumerated() {
    if index == shown { return text + "\"…" }
    switch scalar {
    case "\"": text += "\\\""
    case "\\": text += "\\\\"
    case " "..."~": text.unicodeScalars.append(scalar)
    default: text += "\\u{\(String(scalar.value, radix: 16))}"
    }
  }
  return text + "\""
}
