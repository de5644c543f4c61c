// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The messages of a HAR's entry, as observations.
struct HARConversation {
  private let output: InspectionOutput
  private var number = 0
  private var startLine: [UInt8] = []
  private var exchange = Exchange()
  private var counts = [0, 0]
  private var bytes = [0, 0]
  private var last: CaptureTime?

  init(_ output: InspectionOutput) { self.output = output }

  mutating func take(_ item: HARReader.Item) {
    switch item {
    case .entry(let url):
      number = output.nextNumber()
      startLine = Array("GET \(url ?? "")".utf8)
      exchange = Exchange()
      counts = [0, 0]
      bytes = [0, 0]
      send(.opened(ConnectionOpening(kind: .webSocket, url: url)), nil, nil)
      let words = "a HAR holds messages: frames, masking and compression are not in it and not judged"
      send(.finding(.note("messages-only", at: 0, words)), nil, nil)
    case .request(let head):
      send(.request(HandshakeRecord(startLine: startLine, fields: head.fields)), .fromClient, nil)
    case .response(let head):
      let status = head.status.map { " \($0)" } ?? ""
      var record = HandshakeRecord(startLine: Array("HTTP\(status)".utf8), fields: head.fields)
      record.status = head.status
      record.subprotocol = record.value("Sec-WebSocket-Protocol").map { String(decoding: $0, as: UTF8.self) }
      record.extensions = WebSocketRequest.extensions(record)
      send(.response(record), .fromServer, nil)
    case .message(let message): take(message)
    case .entryEnd:
      let summary = ConnectionSummary(end: .captureEnded, bytes: bytes, transport: TransportSummary())
      send(.closed(summary), nil, last)
    }
  }

  private mutating func take(_ message: HARReader.Message) {
    let index = message.isFromClient ? 0 : 1
    let direction: Direction = message.isFromClient ? .fromClient : .fromServer
    counts[index] += 1
    let opcode: Opcode? = message.opcode == 1 ? .text : message.opcode == 2 ? .binary : nil
    var record = MessageRecord(number: counts[index], opcode: opcode, offset: message.offset)
    record.content = message.data
    record.size = UInt64(message.size)
    if opcode == .binary {
      if let data = Base64Text.decode(message.data[...]) {
        record.content = data
        // Four characters are three bytes; the padding of the part that was kept tells the rest.
        record.size = message.size > message.data.count ? UInt64(message.size / 4 * 3) : UInt64(data.count)
      } else {
        send(
          .finding(.note("not-base64", at: message.offset, "a binary message that is not Base64")),
          direction,
          message.time
        )
      }
    }
    record.content = Array(record.content.prefix(output.options.messageBytes))
    bytes[index] += Int(clamping: record.size)
    last = message.time ?? last
    exchange.observe(&record, index, message.time)
    send(.message(record), direction, message.time)
  }

  private func send(_ content: Observation.Content, _ direction: Direction?, _ time: CaptureTime?) {
    output.send(Observation(connection: number, direction: direction, time: time, content: content))
  }
}
