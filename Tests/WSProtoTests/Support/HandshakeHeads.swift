// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// A request that a server accepts, with one line replaced or left out, or lines added.
func upgradeRequest(
  line: String = "GET /chat?x=1 HTTP/1.1",
  without name: String? = nil,
  extra: String = ""
) -> String {
  let fields = [
    "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
  ]
  var text = line + "\r\n"
  for field in fields where name.map({ !field.lowercased().hasPrefix($0.lowercased() + ":") }) ?? true {
    text += field + "\r\n"
  }
  return text + extra + "\r\n"
}

/// The value of a field in a head as sent.
func fieldValue(_ name: String, in head: some Sequence<UInt8>) -> String? {
  let text = String(decoding: Array(head), as: UTF8.self)
  for line in text.split(separator: "\r\n", omittingEmptySubsequences: false) {
    let parts = line.split(separator: ":", maxSplits: 1)
    if parts.count == 2, parts[0].lowercased() == name.lowercased() {
      var value = parts[1]
      while value.first == " " { value.removeFirst() }
      return String(value)
    }
  }
  return nil
}

/// The answer that opens the connection of this request, with one line left out, or lines added.
func switchingProtocols(
  to request: [UInt8],
  _ extra: String = "",
  line: String = "HTTP/1.1 101 Switching Protocols",
  without name: String? = nil
) -> String {
  let token = generateAcceptToken(fieldValue("Sec-WebSocket-Key", in: request) ?? "")
  var text = line + "\r\n"
  for field in ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: \(token)"]
  where name.map({ !field.lowercased().hasPrefix($0.lowercased() + ":") }) ?? true {
    text += field + "\r\n"
  }
  return text + extra + "\r\n"
}

/// A list with one field; empty if the name is not a token.
func fields(_ name: String, _ value: String) -> Headers {
  var fields = Headers()
  if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
  return fields
}
