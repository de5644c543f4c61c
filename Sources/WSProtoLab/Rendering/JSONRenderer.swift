// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Observations as JSON, one object a line. Times are seconds since 1970 with nine decimals; durations are nanoseconds.
public struct JSONRenderer {
  /// How many bytes of a payload are given, as text or in hexadecimal.
  public var previewBytes = 4096
  /// Decodes what runs on top; `nil` gives the bytes only.
  public var decoder: MessageDecoderChoice?

  private var subprotocols: [Int: String] = [:]

  /// A renderer.
  public init() {}

  /// The line of an observation, without its end.
  public mutating func line(_ observation: Observation) -> String {
    var line = JSONLine()
    line.add("type", Self.type(observation.content))
    line.add("connection", observation.connection)
    line.add("direction", observation.direction?.rawValue)
    if let time = observation.time { line.add("time", raw: TimeText.exact(time)) }
    switch observation.content {
    case .opened(let opening):
      line.add("protocol", Self.name(opening.kind))
      line.add("client", opening.client?.description)
      line.add("server", opening.server?.description)
      line.add("url", opening.url)
    case .request(let head), .response(let head):
      if case .response = observation.content { subprotocols[observation.connection] = head.subprotocol }
      line.add("startLine", Self.latin(head.startLine))
      line.add("fields", head.fields.map(Self.latin))
      line.add("status", head.status)
      line.add("subprotocol", head.subprotocol)
      if head.status != nil { line.add("extensions", head.extensions) }
    case .frame(let frame): add(frame, to: &line)
    case .message(let message):
      add(message, subprotocol: subprotocols[observation.connection], to: &line)
    case .finding(let finding):
      line.add("severity", finding.severity.rawValue)
      line.add("rule", finding.rule)
      line.add("section", finding.section)
      line.add("offset", finding.offset)
      line.add("message", finding.message)
      line.add("closeCode", finding.closeCode?.rawValue)
      line.add("stops", finding.stops)
    case .closed(let summary):
      subprotocols[observation.connection] = nil
      line.add("end", summary.end.rawValue)
      line.add("clientBytes", summary.bytes[0])
      line.add("serverBytes", summary.bytes[1])
      line.add("repeatedBytes", summary.transport.repeatedBytes)
      line.add("reorderedSegments", summary.transport.reorderedSegments)
      line.add("lostBytes", summary.transport.lostBytes)
    }
    return line.text
  }

  private static func type(_ content: Observation.Content) -> String {
    switch content {
    case .opened: "opened"
    case .request: "request"
    case .response: "response"
    case .frame: "frame"
    case .message: "message"
    case .finding: "finding"
    case .closed: "closed"
    }
  }

  private static func name(_ kind: ConnectionOpening.Kind) -> String {
    switch kind {
    case .webSocket: "websocket"
    case .webSocketUnderWay: "websocket-under-way"
    case .http1: "http1"
    case .http2: "http2"
    case .tls: "tls"
    case .unknown: "unknown"
    }
  }

  /// Bytes of a head, each as the character with its number (RFC 9110 §5.5).
  private static func latin(_ bytes: [UInt8]) -> String {
    var text = ""
    for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
    return text
  }

  private func add(_ frame: FrameRecord, to line: inout JSONLine) {
    line.add("number", frame.number)
    line.add("offset", frame.offset)
    line.add("opcode", frame.head.opcode)
    line.add("fin", frame.head.fin)
    line.add("rsv", frame.head.rsv.rawValue)
    line.add("masked", frame.head.maskingKey != nil)
    line.add("length", frame.head.payloadLength)
    line.add("headerSize", frame.head.size)
    if frame.missing > 0 { line.add("missing", frame.missing) }
    line.add("payload", Escaping.hex(frame.payload.prefix(previewBytes), separator: ""))
    line.add("closeCode", frame.closeCode?.rawValue)
    line.add("closeReason", frame.closeReason)
    line.add("roundTrip", frame.roundTrip)
  }

  private func add(_ message: MessageRecord, subprotocol: String?, to line: inout JSONLine) {
    line.add("number", message.number)
    line.add("offset", message.offset)
    line.add("opcode", message.opcode?.rawValue)
    line.add("frames", message.frames)
    line.add("wireBytes", message.wireBytes)
    line.add("size", message.size)
    line.add("compressed", message.isCompressed)
    if message.unknownBytes > 0 { line.add("unknownBytes", message.unknownBytes) }
    if message.isDamaged { line.add("damaged", true) }
    let shown = message.content.prefix(previewBytes)
    if message.opcode == .text, let text = String(validating: shown, as: UTF8.self) {
      line.add("text", text)
    } else {
      line.add("hex", Escaping.hex(shown, separator: ""))
    }
    if UInt64(shown.count) < message.size { line.add("cut", true) }
    line.add("answerTime", message.answerTime)
    let decoded = decoder?.lines(of: message, subprotocol: subprotocol) ?? []
    if !decoded.isEmpty { line.add("decoded", decoded) }
  }
}
