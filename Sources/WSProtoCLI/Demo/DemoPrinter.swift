// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProto
import WSProtoLab
import WSProtoTool

/// Shows the demonstration's conversation as the client sees it.
struct DemoPrinter {
  enum Style { case plain, colour, json }
  enum Direction: String { case out, `in` }

  let style: Style
  private let start = ContinuousClock.now

  init(style: Style) { self.style = style }

  func begin(port: Int) {
    switch style {
    case .json:
      var line = JSONLine()
      line.add("type", "start")
      line.add("address", "127.0.0.1")
      line.add("port", port)
      Terminal.print(line.text)
    case .plain, .colour:
      Terminal.print("A client and an echo server on 127.0.0.1:\(port), as the client sees it:")
      Terminal.print("→ sent, ← received; event, size, bytes on the wire, the first of them.")
    }
  }

  func begin(_ step: DemoStep) {
    if style != .json { Terminal.print("\n" + paint(step.rawValue, "1")) }
  }

  /// One unit on the wire, and what it means.
  func show(_ step: DemoStep, _ direction: Direction, _ events: [Event], _ wire: [UInt8]) {
    let summary = EventSummary(events)
    let saved = summary.payload.map { $0 - wire.count }
    let first = Escaping.hex(wire.prefix(12)) + (wire.count > 12 ? " …" : "")
    switch style {
    case .json:
      var line = JSONLine()
      line.add("type", "wire")
      line.add("step", step.rawValue)
      line.add("direction", direction.rawValue)
      line.add("event", summary.name)
      line.add("detail", summary.detail)
      line.add("payloadBytes", summary.payload)
      line.add("wireBytes", wire.count)
      if step == .compressed { line.add("savedBytes", saved) }
      line.add("wire", first)
      Terminal.print(line.text)
    case .plain, .colour:
      let arrow = direction == .out ? paint("→", "32") : paint("←", "36")
      var columns = [
        pad(summary.name, 17), pad(summary.detail, 26),
        pad(summary.payload.map { "\($0) B" } ?? "", 7, left: true),
        pad("\(wire.count) B", 6, left: true) + " wire", paint(first, "2"),
      ]
      if step == .compressed, let saved, let payload = summary.payload, payload > 0 {
        columns.append("\(saved) B saved, \(saved * 100 / payload) %")
      }
      Terminal.print("  \(arrow) " + columns.joined(separator: "  "))
    }
  }

  func passed(_ step: DemoStep) {
    guard style == .json else { return }
    var line = JSONLine()
    line.add("type", "step")
    line.add("step", step.rawValue)
    line.add("ok", true)
    Terminal.print(line.text)
  }

  func end(failure: DemoFailure?, client: DemoClient) {
    let microseconds = Int((ContinuousClock.now - start) / .microseconds(1))
    switch style {
    case .json:
      var line = JSONLine()
      line.add("type", "result")
      line.add("ok", failure == nil)
      line.add("failedStep", failure?.step.rawValue)
      line.add("reason", failure?.reason)
      line.add("bytesOut", client.bytesOut)
      line.add("bytesIn", client.bytesIn)
      line.add("microseconds", microseconds)
      Terminal.print(line.text)
    case .plain, .colour:
      if failure == nil {
        let text = "All \(DemoStep.allCases.count) steps came back as sent"
        Terminal.print(
          "\n\(paint(text, "32")): \(client.bytesOut) bytes out, \(client.bytesIn) in, \(microseconds) µs."
        )
      }
    }
    if let failure { Terminal.printError("\(failure.step.rawValue): \(failure.reason)") }
  }

  private func paint(_ text: String, _ code: String) -> String {
    style == .colour ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
  }

  private func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    // The demonstration's own wide characters take two columns.
    let columns = text.unicodeScalars.reduce(0) { $0 + ($1.value >= 0x2E80 ? 2 : 1) }
    let space = String(repeating: " ", count: max(0, width - columns))
    return left ? space + text : text + space
  }
}

/// One or more events from one unit on the wire, in a line.
struct EventSummary {
  var name: String
  var detail = ""
  /// Bytes of the payload, where there is one.
  var payload: Int?

  init(_ events: [Event]) {
    switch events.first {
    case .request(let request):
      name = "Request"
      detail = "GET \(request.target)"
    case .acceptConnection(let accept):
      name = "AcceptConnection"
      detail = accept.extensions.map(\.name).joined(separator: ", ")
    case .rejectConnection(let reject):
      name = "RejectConnection"
      detail = "\(reject.statusCode)"
    case .rejectData(let data):
      name = "RejectData"
      payload = data.data.count
    case .textMessage:
      name = "TextMessage"
      let text = events.reduce(into: "") { if case .textMessage(let part) = $1 { $0 += part.data } }
      payload = text.utf8.count
      detail = (text.count > 20 ? text.prefix(19) + "…" : text).debugDescription
    case .bytesMessage:
      name = "BytesMessage"
      let bytes = events.reduce(into: [UInt8]()) { if case .bytesMessage(let part) = $1 { $0 += part.data } }
      payload = bytes.count
      detail = Escaping.hex(bytes.prefix(7)) + (bytes.count > 7 ? " …" : "")
    case .ping(let ping):
      name = "Ping"
      payload = ping.payload.count
      detail = String(decoding: ping.payload, as: UTF8.self).debugDescription
    case .pong(let pong):
      name = "Pong"
      payload = pong.payload.count
      detail = String(decoding: pong.payload, as: UTF8.self).debugDescription
    case .closeConnection(let close):
      name = "CloseConnection"
      payload = close.code == .noStatusRcvd ? 0 : 2 + (close.reason?.utf8.count ?? 0)
      detail = "\(close.code)" + (close.reason.map { " " + $0.debugDescription } ?? "")
    case nil:
      name = "(nothing yet)"
    }
    switch events.last {
    case .textMessage(let part) where !part.messageFinished: name += " +"
    case .bytesMessage(let part) where !part.messageFinished: name += " +"
    default: break
    }
  }
}
#endif
