// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import HTTPTypes
import NIOCore
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// Shows what a client receives: messages alone for pipes, with marks for people, every event for machines.
final class ClientOutput: Sendable {
  enum Mode: Sendable {
    /// A text a line, escaped; the bytes of a binary message as they are where they go to no terminal.
    case lines
    /// Each message as it is, and a byte 0 behind it.
    case null
    /// Each message as it is, and nothing behind it.
    case raw
    case json
  }

  private let mode: Mode
  private let isVerbose: Bool
  /// The prompt that is not to be torn.
  let screen: TerminalScreen?
  private let style = Terminal.style

  init(_ mode: Mode, isVerbose: Bool, screen: TerminalScreen?) {
    self.mode = mode
    self.isVerbose = isVerbose
    self.screen = screen
  }

  private var isForPeople: Bool { mode == .lines && Terminal.outputIsTerminal }

  // MARK: Messages

  func message(_ message: WebSocketMessage) throws(ToolFailure) {
    let bytes = message.bytes.readableBytesView
    switch mode {
    case .json:
      var line = JSONLine()
      line.add("event", message.kind == .text ? "textMessage" : "bytesMessage")
      line.add("size", bytes.count)
      if let text = message.text {
        line.add("text", text)
      } else {
        line.add("hex", Escaping.hex(bytes, separator: ""))
      }
      try print(line)
    case .raw: try Terminal.write(Array(bytes))
    case .null: try Terminal.write(Array(bytes) + [0])
    case .lines:
      if let text = message.text {
        try printLine(mark("←", .cyan) + rows(text))
      } else if isForPeople {
        try printLine(mark("←", .cyan) + Self.preview(bytes, style))
      } else {
        try Terminal.write(Array(bytes))
      }
    }
  }

  /// What was typed, as it went out.
  func sent(_ item: InputItem) throws(ToolFailure) {
    guard isForPeople, screen != nil else { return }
    switch item {
    case .text(let text): try printLine(mark("→", .green) + rows(text))
    case .binary(let bytes): try printLine(mark("→", .green) + Self.preview(bytes, style))
    case .file(let path):
      try printLine(mark("→", .green) + style.paint("the file \(shownInQuotes(path))", .dim))
    case .pong: try printLine(mark("→", .green) + style.paint("pong", .dim))
    case .ping, .close, .help: break
    }
  }

  /// A text for people: its lines are rows below each other, none of which begins as one of ours does.
  private func rows(_ text: String) -> String {
    guard isForPeople, text.utf8.contains(UInt8(ascii: "\n")) else { return shown(text) }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { shown(String($0)) }
      .joined(separator: "\n  ")
  }

  private func mark(_ arrow: String, _ paint: Style.Paint) -> String {
    isForPeople ? style.paint(arrow, paint) + " " : ""
  }

  static func preview(_ bytes: some Collection<UInt8>, _ style: Style) -> String {
    let head = Escaping.hex(bytes.prefix(24)) + (bytes.count > 24 ? " …" : "")
    return style.paint("binary, \(bytes.count) bytes" + (head.isEmpty ? "" : ": "), .dim) + head
  }

  // MARK: Events

  func opened(_ socket: WebSocket, _ url: String) throws(ToolFailure) {
    let extensions = socket.response?.extensions.map(\.name) ?? []
    if mode == .json {
      var line = JSONLine()
      line.add("event", "acceptConnection")
      line.add("subprotocol", socket.subprotocol)
      line.add("extensions", extensions.joined(separator: ", "))
      try print(line)
    }
    let extras = [socket.subprotocol].compactMap { $0 } + extensions
    try note("connected to \(url)" + extras.map { ", " + $0 }.joined())
    guard isVerbose else { return }
    for field in socket.response?.extraHeaders ?? [:] { try note("  \(field.name): \(field.value)") }
  }

  /// Whether pings and pongs are shown.
  var showsControlFrames: Bool { mode == .json || isVerbose }

  /// So many pings and pongs have come that were not kept until they could be shown.
  func omitted(_ count: Int) throws(ToolFailure) {
    guard mode == .json else { return try note("\(count) more pings and pongs have come") }
    var line = JSONLine()
    line.add("event", "omitted")
    line.add("controlFrames", count)
    try print(line)
  }

  func control(_ frame: ControlFrameObserver.Frame) throws(ToolFailure) {
    let (name, payload) =
      switch frame {
      case .ping(let payload): ("ping", payload)
      case .pong(let payload): ("pong", payload)
      }
    if mode == .json {
      var line = JSONLine()
      line.add("event", name)
      line.add("hex", Escaping.hex(payload, separator: ""))
      return try print(line)
    }
    if isVerbose { try note("← \(name), \(payload.count) bytes") }
  }

  func latency(_ duration: Duration) throws(ToolFailure) {
    if mode == .json {
      var line = JSONLine()
      line.add("event", "roundTrip")
      line.add("microseconds", Int(duration / .microseconds(1)))
      return try print(line)
    }
    try note("round trip: \(DurationText.format(duration))")
  }

  func closed(_ code: CloseReason, _ reason: String?) throws(ToolFailure) {
    if mode == .json {
      var line = JSONLine()
      line.add("event", "closeConnection")
      line.add("code", Int(code.rawValue))
      // Where there may be one: no reason is an empty one there.
      if code != .noStatusRcvd, code != .abnormalClosure { line.add("reason", reason ?? "") }
      return try print(line)
    }
    try note("closed: \(code)" + (reason.map { " " + shownInQuotes($0) } ?? ""))
  }

  func refused(_ refusal: HTTPRefusal) throws(ToolFailure) {
    guard mode == .json else {
      guard isVerbose else { return }
      for field in refusal.fields { try note("  \(field.name): \(field.value)") }
      return
    }
    var line = JSONLine()
    line.add("event", "rejectConnection")
    line.add("statusCode", refusal.status)
    line.add("location", refusal.fields[.location])
    line.add("body", refusal.text)
    try print(line)
  }

  /// A word to people, beside the output: above the prompt, or on standard error where that is a terminal.
  func note(_ text: String, always: Bool = false) throws(ToolFailure) {
    if let screen { return try screen.print([style.paint(shown(text), .dim)]) }
    guard always || isVerbose || (Terminal.errorIsTerminal && mode == .lines) else { return }
    Terminal.printNote(Terminal.errorStyle.paint(shown(text), .dim))
  }

  private func print(_ line: JSONLine) throws(ToolFailure) { try printLine(line.text) }

  private func printLine(_ line: String) throws(ToolFailure) {
    if let screen { try screen.print([line]) } else { try Terminal.write(Array((line + "\n").utf8)) }
  }
}
#endif
