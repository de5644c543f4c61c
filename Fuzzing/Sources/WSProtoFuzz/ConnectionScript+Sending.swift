// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

// What a script sends, and what the peer must make of it.
extension ConnectionScript {
  mutating func send(_ input: inout Input, into sink: UInt8) {
    let kind = input.byte()
    let payload = grammar.payload(&input, kind >> 4)
    let finished = kind & 8 == 0
    let compress = kind & 0x80 == 0
    let event: Event
    switch kind & 7 {
    case 0:
      event = .textMessage(
        TextMessage(
          data: String(decoding: payload, as: UTF8.self),
          messageFinished: finished,
          compress: compress
        )
      )
    case 1:
      event = .bytesMessage(
        BytesMessage(data: Bytes(payload), messageFinished: finished, compress: compress)
      )
    case 2: event = .ping(Ping(payload: Bytes(payload)))
    case 3: event = .pong(Pong(payload: Bytes(payload)))
    case 4:
      let code = CloseReason(UInt16(input.byte()) << 8 | UInt16(input.byte()))
      event = .closeConnection(
        CloseConnection(
          code: finished ? .normalClosure : code,
          reason: compress ? String(decoding: payload, as: UTF8.self) : nil
        )
      )
    case 5:
      event = input.pick([
        .request(Request(host: "a", target: "/")), .acceptConnection(AcceptConnection()),
        .rejectConnection(RejectConnection()), .rejectData(RejectData(data: Bytes())),
      ])
    case 6: return sendPrepared(payload, text: finished, compress: compress)
    default: return sendPong(payload)
    }
    send(event, into: sink)
  }

  mutating func send(_ event: Event, into sink: UInt8) {
    let before = connection.state
    var output: [UInt8] = [0xEE]
    do throws(LocalProtocolError) {
      if sink & 3 == 3 {
        // Memory of the caller's, with room enough or one byte less.
        let needed = connection.sizeBound(of: event)
        try write(needed - Int(sink >> 2 & 1), &output) { (span) throws(LocalProtocolError) in
          try connection.send(event, into: &span)
        }
      } else {
        try connection.send(event, into: &output)
      }
    } catch {
      if case .outputTooSmall = error.violation, sink & 4 == 0, meddler == nil {
        wrong("too little room, though it was asked for", [("event", name(event)), ("error", error)])
      }
      return refused(error, event, before, output)
    }
    log.append("sent \(name(event))")
    note(event, Array(output.dropFirst()))
  }

  /// Writes to memory of exactly this size, and appends what was written.
  func write(
    _ room: Int,
    _ output: inout [UInt8],
    _ body: (inout OutputRawSpan) throws(LocalProtocolError) -> Void
  ) throws(LocalProtocolError) {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(0, room), alignment: 1)
    defer { memory.deallocate() }
    var span = OutputRawSpan(buffer: memory, initializedCount: 0)
    try body(&span)
    let count = span.finalize(for: memory)
    output += memory.prefix(count)
  }

  mutating func refused(
    _ error: LocalProtocolError,
    _ event: Event,
    _ before: ConnectionState,
    _ output: [UInt8]
  ) {
    if output != [0xEE] { wrong("a refused event has been written", [("output", output)]) }
    if connection.state != before { wrong("a refused event has moved the state", [("error", error)]) }
    if error.message.isEmpty { wrong("an error without words") }
    switch error.violation {
    case .state(let state):
      if state != before { wrong("an error with another state", [("error", error)]) }
    case .closeCode, .controlPayloadTooLong, .messageType, .outputTooSmall: break
    case .extension:
      if meddler == nil { wrong("an error of an extension", [("error", error)]) }
      // It may have been the pong that was refused.
      if !connection.pongWaits { waitingPong = nil }
    case .subprotocol, .head, .bodyFraming, .reentrance, .eventsNotTaken:
      wrong("an error of others", [("error", error)])
    }
  }

  func name(_ event: Event) -> String {
    switch event {
    case .textMessage(let part): "text of \(part.withUTF8 { $0.count }), finished \(part.messageFinished)"
    case .bytesMessage(let part): "bytes of \(part.data.count), finished \(part.messageFinished)"
    case .ping(let ping): "ping of \(ping.payload.count)"
    case .pong(let pong): "pong of \(pong.payload.count)"
    case .closeConnection(let close): "close \(close.code)"
    default: "an event of the handshake"
    }
  }

  /// The automatic pong, which was sent before anything else.
  mutating func notePong() {
    guard let payload = waitingPong else { return }
    waitingPong = nil
    if !sentClose { sentEntries.append(control(.pong(payload))) }
  }

  mutating func note(_ event: Event, _ bytes: [UInt8]) {
    notePong()
    if sentClose {
      guard case .pong = event else { wrong("sent behind a Close", [("event", name(event))]) }
    }
    sent += bytes
    switch event {
    case .textMessage(let part): part.withUTF8 { note(text: true, Array($0), part.messageFinished) }
    case .bytesMessage(let part): note(text: false, Array(part.data), part.messageFinished)
    case .ping(let ping): sentEntries.append(control(.ping(Array(ping.payload))))
    case .pong(let pong): if !sentClose { sentEntries.append(control(.pong(Array(pong.payload)))) }
    case .closeConnection: sentClose = true
    default: wrong("an event of the handshake was sent")
    }
  }

  func control(_ item: Outcome.Item) -> Outcome.Entry {
    Outcome.Entry(item, deliveredBefore: partial?.bytes.count ?? 0)
  }

  mutating func note(text: Bool, _ bytes: [UInt8], _ finished: Bool) {
    if let partial, partial.isText != text { wrong("text and bytes in one message") }
    let all = (partial?.bytes ?? []) + bytes
    partial = finished ? nil : (text, all)
    guard finished else { return }
    sentEntries.append(
      Outcome.Entry(text ? .text(String(decoding: all, as: UTF8.self)) : .bytes(all))
    )
  }

  mutating func sendPrepared(_ payload: [UInt8], text: Bool, compress: Bool) {
    let message =
      text
      ? PreparedMessage(text: String(decoding: payload, as: UTF8.self), compress: compress)
      : PreparedMessage(bytes: Bytes(payload), compress: compress)
    let event: Event =
      text
      ? .textMessage(TextMessage(data: String(decoding: payload, as: UTF8.self)))
      : .bytesMessage(BytesMessage(data: Bytes(payload)))
    let before = connection.state
    var output: [UInt8] = [0xEE]
    do throws(LocalProtocolError) { try connection.send(message, into: &output) } catch {
      return refused(error, event, before, output)
    }
    if partial != nil { wrong("a prepared message inside another") }
    log.append("sent prepared")
    note(event, Array(output.dropFirst()))
  }

  mutating func sendPong(_ payload: [UInt8]) {
    let event = Event.pong(Pong(payload: Bytes(payload)))
    let before = connection.state
    var output: [UInt8] = [0xEE]
    do throws(LocalProtocolError) {
      try connection.sendPong(payload.span.bytes, into: &output)
    } catch {
      return refused(error, event, before, output)
    }
    note(event, Array(output.dropFirst()))
  }

  // MARK: Automatic replies

  mutating func sendReplies(_ sink: UInt8) {
    let before = connection.state
    let waiting = connection.waitingReplyBytes
    // The peer's Close, or its violation: only ours is missing.
    let closes = replies && before == .remoteClosing
    var output: [UInt8] = [0xEE]
    do throws(LocalProtocolError) {
      if sink & 1 == 0 {
        try connection.sendReplies(into: &output)
      } else {
        try write(waiting - Int(sink >> 1 & 1), &output) { (span) throws(LocalProtocolError) in
          try connection.sendReplies(into: &span)
        }
      }
    } catch {
      if case .outputTooSmall = error.violation, sink & 2 == 0, meddler == nil {
        wrong("too little room for the replies, though it was asked for", [("error", error)])
      }
      return refused(error, .pong(Pong()), before, output)
    }
    log.append("sent replies")
    let bytes = Array(output.dropFirst())
    guard meddler == nil else {
      waitingPong = nil
      sentClose = sentClose || before != .closed && connection.state == .closed
      return
    }
    if bytes.count != waiting || bytes.isEmpty != (waitingPong == nil && !closes) {
      wrong(
        "the size of the replies",
        [("bytes", bytes), ("waiting", waiting), ("pong", waitingPong as Any)]
      )
    }
    if connection.state != (closes ? .closed : before) || connection.waitingReplyBytes != 0 {
      wrong("after the replies", [("before", before), ("waiting", connection.waitingReplyBytes)])
    }
    sent += bytes
    notePong()
    if closes { sentClose = true }
  }

  /// The pong waits until it is sent or both Closes have passed, and a Close until it is sent.
  mutating func checkReplies() {
    if connection.state == .closed { waitingPong = nil }
    if connection.pongWaits != (waitingPong != nil) {
      wrong("a pong that waits", [("expected", waitingPong as Any)])
    }
    guard meddler == nil else { return }
    let close = replies && connection.state == .remoteClosing
    if (connection.waitingReplyBytes > 0) != (close || waitingPong != nil) {
      wrong("waiting replies", [("bytes", connection.waitingReplyBytes)])
    }
  }

  func checkSent() {
    var inflater: InflateStream?
    if kind >= 2 && kind <= 4 {
      do { inflater = try InflateStream() } catch { fatalError("no memory for zlib") }
    }
    var twin = SlowDecoder(role.peer, inflater: inflater, resetsInflater: kind == 3 || kind == 4)
    var outcome = twin.run(sent)
    let code = outcome.code
    outcome.code = nil
    outcome.reason = nil
    var expected = Outcome()
    expected.entries = sentEntries
    if let partial, !partial.bytes.isEmpty {
      expected.partial =
        partial.isText ? .text(String(decoding: partial.bytes, as: UTF8.self)) : .bytes(partial.bytes)
    }
    if outcome != expected || (code != nil) != sentClose {
      wrong("sent", [("bytes", sent), ("peer", outcome), ("expected", expected), ("code", code as Any)])
    }
  }
}
