// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Shows what a client receives: messages alone for pipes and people, every event for machines.
struct ClientPrinter {
  let json: Bool
  private let isTerminal = isatty(1) == 1

  init(json: Bool) { self.json = json }

  func show(_ event: Event) {
    if json { return showJSON(event) }
    switch event {
    case .acceptConnection(let accept):
      guard isTerminal else { return }
      let extras = [accept.subprotocol].compactMap { $0 } + accept.extensions.map(\.name)
      Terminal.print("connected" + extras.map { ", " + $0 }.joined())
    case .textMessage(let message):
      // To a terminal nothing that would steer it.
      Terminal.print(isTerminal ? printable(message.data) : message.data)
    case .bytesMessage(let message):
      Terminal.print(isTerminal ? message.data.description : hex(message.data, separator: ""))
    case .closeConnection(let close):
      guard isTerminal else { return }
      Terminal.print("closed: \(close.code)" + (close.reason.map { " " + $0.debugDescription } ?? ""))
    case .request, .rejectConnection, .rejectData, .ping, .pong: break
    }
  }

  private func showJSON(_ event: Event) {
    var line = JSONLine()
    switch event {
    case .request: return
    case .acceptConnection(let accept):
      line.add("event", "acceptConnection")
      line.add("subprotocol", accept.subprotocol)
      line.add("extensions", accept.extensions.map(\.name).joined(separator: ", "))
    case .rejectConnection(let reject):
      line.add("event", "rejectConnection")
      line.add("statusCode", reject.statusCode)
    case .rejectData(let data):
      line.add("event", "rejectData")
      line.add("hex", hex(data.data, separator: ""))
    case .textMessage(let message):
      line.add("event", "textMessage")
      line.add("size", message.data.utf8.count)
      line.add("text", message.data)
    case .bytesMessage(let message):
      line.add("event", "bytesMessage")
      line.add("size", message.data.count)
      line.add("hex", hex(message.data, separator: ""))
    case .ping(let ping):
      line.add("event", "ping")
      line.add("hex", hex(ping.payload, separator: ""))
    case .pong(let pong):
      line.add("event", "pong")
      line.add("hex", hex(pong.payload, separator: ""))
    case .closeConnection(let close):
      line.add("event", "closeConnection")
      line.add("code", Int(close.code.rawValue))
      line.add("reason", close.reason)
    }
    Terminal.print(line.text)
  }
}

/// `text` with its control characters, but for tabs and line ends, made visible.
func printable(_ text: String) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\t", "\n": result.unicodeScalars.append(scalar)
    case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}": result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
#endif
