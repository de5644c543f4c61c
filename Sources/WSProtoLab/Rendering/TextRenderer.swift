// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Observations as lines for people. What a peer has sent is escaped, always.
public struct TextRenderer {
  /// How many bytes of a payload are shown.
  public var previewBytes = 64
  /// Whether frames are shown, not only messages.
  public var showsFrames = true
  /// Decodes what runs on top; `nil` shows the bytes only.
  public var decoder: MessageDecoderChoice?

  /// When each connection under way began.
  private var beginnings: [Int: CaptureTime] = [:]
  private var subprotocols: [Int: String] = [:]
  private var counts: [Int: (violations: Int, oddities: Int)] = [:]

  /// A renderer.
  public init() {}

  /// The lines of an observation, without line ends.
  public mutating func lines(_ observation: Observation) -> [String] {
    let number = observation.connection
    if let time = observation.time, beginnings[number] == nil { beginnings[number] = time }
    switch observation.content {
    case .opened(let opening): return [Self.opening(opening, number)]
    case .request(let head): return head.lines(observation, self, "request")
    case .response(let head):
      subprotocols[number] = head.subprotocol
      return head.lines(observation, self, "response")
    case .frame(let frame): return showsFrames ? [line(frame, observation)] : []
    case .message(let message): return messageLines(message, observation)
    case .finding(let finding):
      count(finding, number)
      return [line(finding, observation)]
    case .closed(let summary):
      defer {
        beginnings[number] = nil
        subprotocols[number] = nil
        counts[number] = nil
      }
      return [closing(summary, number)]
    }
  }

  private mutating func count(_ finding: Finding, _ number: Int) {
    if finding.severity == .violation { counts[number, default: (0, 0)].violations += 1 }
    if finding.severity == .oddity { counts[number, default: (0, 0)].oddities += 1 }
  }

  /// The columns before what a line is about.
  func columns(_ observation: Observation, offset: Int?) -> String {
    var time = ""
    if let now = observation.time, let beginning = beginnings[observation.connection] {
      time = TimeText.seconds(now.since(beginning))
    }
    let who = observation.direction?.rawValue ?? ""
    let place = offset.map { "@\($0)" } ?? ""
    return Self.padded("#\(observation.connection)", 4) + Self.padded(time, 11, left: true) + "  "
      + Self.padded(who, 7) + Self.padded(place, 9)
  }

  private static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    let fill = String(repeating: " ", count: max(0, width - text.count))
    return left ? fill + text : text + (fill.isEmpty ? " " : fill)
  }

  private static func bytes(_ count: UInt64) -> String { count == 1 ? "1 byte" : "\(count) bytes" }

  private static func opening(_ opening: ConnectionOpening, _ number: Int) -> String {
    let kind =
      switch opening.kind {
      case .webSocket: "WebSocket"
      case .webSocketUnderWay: "WebSocket, seen without its handshake"
      case .http1: "HTTP/1.1 without WebSocket, not shown"
      case .http2: "HTTP/2"
      case .tls: "TLS"
      case .unknown: "an unknown protocol, not shown"
      }
    var line = "#\(number) \(kind)"
    if let client = opening.client, let server = opening.server { line += ", \(client) → \(server)" }
    if let url = opening.url { line += ", \(Escaping.quoted(Array(url.utf8), limit: 512))" }
    return line
  }

  private func line(_ frame: FrameRecord, _ observation: Observation) -> String {
    var flags = [frame.head.opcodeName]
    if frame.head.fin { flags.append("fin") }
    if frame.head.rsv.rsv1 { flags.append("rsv1") }
    if frame.head.rsv.rsv2 { flags.append("rsv2") }
    if frame.head.rsv.rsv3 { flags.append("rsv3") }
    if frame.head.maskingKey != nil { flags.append("masked") }
    flags.append(Self.bytes(frame.head.payloadLength))
    if frame.missing > 0 { flags.append("\(frame.missing) missing") }
    var line = columns(observation, offset: frame.offset) + "frame    " + flags.joined(separator: " ")
    if let code = frame.closeCode {
      line += "  \(code)"
      if let reason = frame.closeReason { line += " " + Escaping.quoted(Array(reason.utf8), limit: 125) }
    } else if !frame.payload.isEmpty {
      let isText = frame.head.opcode == 1 && !frame.head.rsv.rsv1 || frame.head.isControl
      line += "  " + preview(frame.payload, isText: isText, size: frame.head.payloadLength)
    }
    if let roundTrip = frame.roundTrip { line += "  round trip \(TimeText.duration(roundTrip))" }
    return line
  }

  private func preview(_ bytes: [UInt8], isText: Bool, size: UInt64) -> String {
    if isText { return Escaping.quoted(bytes, limit: previewBytes, isCut: UInt64(bytes.count) < size) }
    let hex = Escaping.hex(bytes, limit: previewBytes)
    return hex + (bytes.count <= previewBytes && UInt64(bytes.count) < size ? "…" : "")
  }

  private func messageLines(_ message: MessageRecord, _ observation: Observation) -> [String] {
    var words = [message.opcode == .text ? "text" : message.opcode == .binary ? "binary" : "rest"]
    words.append(Self.bytes(message.size))
    if message.frames > 1 { words.append("in \(message.frames) frames") }
    if message.isCompressed { words.append("compressed to \(message.wireBytes)") }
    if message.unknownBytes > 0 { words.append("\(message.unknownBytes) unknown") }
    if message.isDamaged { words.append("incomplete") }
    var line = columns(observation, offset: message.offset) + "message  " + words.joined(separator: " ")
    if !message.content.isEmpty {
      line += "  " + preview(message.content, isText: message.opcode == .text, size: message.size)
    }
    if let time = message.answerTime { line += "  after \(TimeText.duration(time))" }
    guard let decoder else { return [line] }
    let decoded = decoder.lines(of: message, subprotocol: subprotocols[observation.connection])
    return [line] + decoded.map { String(repeating: " ", count: 33) + $0 }
  }

  private func line(_ finding: Finding, _ observation: Observation) -> String {
    let name = Self.padded(finding.severity == .violation ? "VIOLATION" : finding.severity.rawValue, 9)
    let isPlaced = observation.direction != nil
    var line = columns(observation, offset: isPlaced ? finding.offset : nil) + name
    // Words of our own, in which values of a peer are quoted.
    line += shown(finding.message)
    if let section = finding.section, !finding.message.contains(section) { line += " (\(section))" }
    line += " [\(finding.rule)]"
    if let code = finding.closeCode { line += ", to be closed with \(code)" }
    if finding.stops { line += "; nothing after it is read" }
    return line
  }

  private func closing(_ summary: ConnectionSummary, _ number: Int) -> String {
    let end =
      switch summary.end {
      case .finished: "closed by both ends"
      case .reset: "reset"
      case .captureEnded: "the capture ends"
      case .reused: "its ports are used again"
      case .forgotten: "given up: too many connections at once"
      }
    var line = "#\(number) \(end); \(summary.bytes[0]) bytes of the client, \(summary.bytes[1]) of the server"
    let transport = summary.transport
    if transport.repeatedBytes > 0 { line += "; \(transport.repeatedBytes) bytes repeated" }
    if transport.reorderedSegments > 0 { line += "; \(transport.reorderedSegments) segments out of order" }
    if transport.lostBytes > 0 { line += "; \(transport.lostBytes) bytes lost" }
    let found = counts[number] ?? (0, 0)
    line += "; violations: \(found.violations), oddities: \(found.oddities)"
    return line
  }
}

extension HandshakeRecord {
  /// The most lines of a head that are shown.
  private static let shownFields = 100

  fileprivate func lines(_ observation: Observation, _ renderer: TextRenderer, _ name: String) -> [String] {
    let first =
      renderer.columns(observation, offset: nil) + Self.padded(name)
      + Escaping.escaped(Array(startLine.prefix(512)))
    let more = fields.prefix(Self.shownFields).map { field in
      String(repeating: " ", count: 42)
        + shown(String(decoding: field.prefix(512), as: UTF8.self))
    }
    return [first] + more
  }

  private static func padded(_ name: String) -> String {
    name + String(repeating: " ", count: 9 - name.count)
  }
}
