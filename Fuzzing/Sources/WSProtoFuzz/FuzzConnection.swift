// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

/// A whole connection, driven by calls in any order: send anything, receive through any door, end the stream, with
/// extreme limits and extensions that refuse.
///
/// What must hold, whatever the order:
/// - the events are those of the same bytes in one piece, received by a connection that sends nothing;
/// - a call fails with a documented error only, and has then changed nothing;
/// - what is sent is what the slow twin takes, message by message, and there's no more than a pong behind a Close;
/// - the state moves as the table says, and ends closed after an end of the stream;
/// - once all events are taken, no more memory is held than the bytes under way need.
enum FuzzConnection {
  static func run(_ input: inout Input) {
    var script = Script(&input)
    for _ in 0..<48 where !input.isEmpty { script.step(&input) }
    script.finish()
  }

  private struct Interruption: Error {}

  private struct Script {
    let role: ConnectionType
    let delivery: MessageDelivery
    let limits: Limits
    let kind: UInt8
    let meddler: Meddler?
    let connection: Connection
    let pool = DeflatePool(capacity: 1)
    var grammar: FrameGrammar
    var collector: OutcomeCollector
    /// All bytes that were received before the end of the stream.
    var received: [UInt8]
    var streamEnded = false
    var sent: [UInt8] = []
    var sentEntries: [Outcome.Entry] = []
    /// The parts of the message that is being sent.
    var partial: (isText: Bool, bytes: [UInt8])?
    var sentClose = false
    var log: [String] = []

    init(_ input: inout Input) {
      let choice = input.byte()
      role = choice & 1 == 0 ? .server : .client
      delivery = choice & 2 == 0 ? .chunks : .wholeMessages
      kind = choice >> 2 & 7
      limits = Limits(&input)
      meddler = kind == 5 || kind == 6 ? Meddler(&input, number: 0, refuses: true) : nil
      let deflater =
        kind >= 2 && kind <= 4 ? try? DeflateStream(DeflateSettings(level: 1, memoryLevel: 1)) : nil
      grammar = FrameGrammar(receiver: role, deflater: deflater)
      collector = OutcomeCollector(wholeMessages: delivery == .wholeMessages)
      received = choice & 0x20 == 0 ? [] : grammar.frame(&input)
      connection = Self.connect(role, delivery, limits, kind, meddler, pool, trailing: received)
    }

    /// Without extensions, with permessage-deflate of three kinds, with one that meddles, with both.
    static func connect(
      _ role: ConnectionType,
      _ delivery: MessageDelivery,
      _ limits: Limits,
      _ kind: UInt8,
      _ meddler: Meddler?,
      _ pool: DeflatePool?,
      trailing: [UInt8] = []
    ) -> Connection {
      var extensions: [any Extension] = []
      if kind >= 2, kind != 5, kind != 7 {
        extensions.append(negotiatedDeflate(role, noContextTakeover: kind >= 3, threshold: kind == 2 ? 9 : 0))
      }
      if let meddler { extensions.append(meddler) }
      return Connection(
        role,
        extensions: extensions,
        trailingData: Bytes(trailing),
        configuration: Configuration(
          delivery: delivery,
          limits: limits,
          randomSource: RandomSource { room in for index in room.indices { room[index] = 0x5A } }
        ),
        deflatePool: kind == 4 ? pool : nil
      )
    }

    func wrong(_ what: String, _ details: [(String, Any)] = []) -> Never {
      disagree(
        what,
        [
          ("role", role), ("delivery", delivery), ("limits", limits), ("kind", kind),
          ("meddler", meddler as Any), ("calls", log), ("state", connection.state),
        ] + details
      )
    }

    // MARK: Steps

    mutating func step(_ input: inout Input) {
      let choice = input.byte()
      let before = connection.state
      switch choice & 15 {
      case 0...5: receive(&input, door: choice & 7, times: 1 + Int(choice >> 6))
      case 6: for _ in 0...(choice >> 4) { if let event = connection.nextEvent() { collector.add(event) } }
      case 7: takeEvents()
      case 8: if choice & 0x70 == 0 { endStream(borrowed: choice & 0x80 != 0) }
      case 9: release()
      default: send(&input, into: choice >> 4)
      }
      check(before)
    }

    /// The state may only move on (RFC 6455 §4, §7).
    private func check(_ before: ConnectionState) {
      let after = connection.state
      let isLegal =
        switch before {
        case .open: after != .connecting && after != .rejecting
        case .remoteClosing: after == .remoteClosing || after == .closed
        case .localClosing: after == .localClosing || after == .closed
        case .closed: after == .closed
        case .connecting, .rejecting: false
        }
      if !isLegal { wrong("the state went from \(before) to \(after)") }
    }

    private mutating func receive(_ input: inout Input, door: UInt8, times: Int) {
      var bytes: [UInt8] = []
      for _ in 0..<times { bytes += grammar.frame(&input) }
      let pieces = cut(bytes, by: input.byte())
      log.append("receive \(bytes.count) bytes in \(pieces.count) by \(door)")
      // What comes behind the end of the stream is ignored.
      if !streamEnded { received += bytes }
      for piece in pieces { take(piece, door: door) }
    }

    private mutating func take(_ piece: ArraySlice<UInt8>, door: UInt8) {
      var collector = self.collector
      defer { self.collector = collector }
      switch door {
      case 0, 1:
        do throws(ProtocolError) { try connection.receiveData(piece) } catch {
          wrong("an error where there is none", [("error", error)])
        }
        if door == 1 { while let event = connection.nextEvent() { collector.add(event) } }
      case 2:
        withExactCopy(of: piece) { chunk in connection.receive(chunk) { event in collector.add(event) } }
      case 3:
        withExactCopy(of: piece) { (chunk) -> Void in
          do throws(Interruption) {
            try connection.receive(chunk) { (event) throws(Interruption) in
              collector.add(event)
              throw Interruption()
            }
          } catch {}
        }
      default:
        var throwing = door == 5
        do throws(Interruption) {
          _ = try connection.receive(
            upTo: piece.count + 3,
            reading: { (room) throws(Interruption) -> Int in
              room.copyBytes(from: piece)
              return piece.count
            },
            { (event) throws(Interruption) in
              collector.add(event)
              if throwing {
                throwing = false
                throw Interruption()
              }
            }
          )
        } catch {}
      }
    }

    private mutating func takeEvents() {
      log.append("take all events")
      while let event = connection.nextEvent() { collector.add(event) }
      checkMemory()
    }

    private mutating func endStream(borrowed: Bool) {
      log.append("end of stream")
      streamEnded = true
      if borrowed {
        var collector = self.collector
        connection.receiveEndOfStream { event in collector.add(event) }
        self.collector = collector
      } else {
        do throws(ProtocolError) { try connection.receiveEndOfStream() } catch {
          wrong("an error at the end of the stream", [("error", error)])
        }
      }
    }

    private mutating func release() {
      log.append("release contexts")
      connection.releaseContexts()
    }

    /// All events were taken: what is left is a frame, or a message, under way.
    private func checkMemory() {
      let unread = connection.buffer.count
      let capacity = connection.buffer.window?.byteCapacity ?? 0
      if capacity > max(Retention.receiveBuffer, 8 * unread) {
        wrong("a large buffer", [("unread", unread), ("capacity", capacity)])
      }
      // A frame's bytes wait where a whole message is to be given from where it lies; else only a header's beginning,
      // and that beside the buffer.
      let most = delivery == .wholeMessages ? max(0, limits.maxFramePayload) : 0
      if unread > most { wrong("unread bytes", [("unread", unread), ("most", most)]) }
      let held = connection.inbound.heldBytes
      let gathered = delivery == .wholeMessages ? min(max(0, limits.maxMessageBytes), 1 << 20) : 0
      if held > (gathered == 0 ? 0 : 4096 + 4 * gathered) { wrong("a large message", [("held", held)]) }
    }

    // MARK: Sending

    private mutating func send(_ input: inout Input, into sink: UInt8) {
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

    private mutating func send(_ event: Event, into sink: UInt8) {
      let before = connection.state
      var output: [UInt8] = [0xEE]
      do throws(LocalProtocolError) {
        if sink & 3 == 3 {
          // Memory of the caller's, with room enough or one byte less.
          let needed = connection.sizeBound(of: event)
          let room = sink & 4 == 0 ? needed : max(0, needed - 1)
          let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
          defer { memory.deallocate() }
          var span = OutputRawSpan(buffer: memory, initializedCount: 0)
          try connection.send(event, into: &span)
          let count = span.finalize(for: memory)
          output += memory.prefix(count)
        } else {
          try connection.send(event, into: &output)
        }
      } catch {
        return refused(error, event, before, output)
      }
      log.append("sent \(name(event))")
      note(event, Array(output.dropFirst()))
    }

    private func refused(
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
      case .extension: if meddler == nil { wrong("an error of an extension", [("error", error)]) }
      case .subprotocol, .head, .bodyFraming, .reentrance: wrong("an error of others", [("error", error)])
      }
    }

    private func name(_ event: Event) -> String {
      switch event {
      case .textMessage(let part): "text of \(part.withUTF8 { $0.count }), finished \(part.messageFinished)"
      case .bytesMessage(let part): "bytes of \(part.data.count), finished \(part.messageFinished)"
      case .ping(let ping): "ping of \(ping.payload.count)"
      case .pong(let pong): "pong of \(pong.payload.count)"
      case .closeConnection(let close): "close \(close.code)"
      default: "an event of the handshake"
      }
    }

    private mutating func note(_ event: Event, _ bytes: [UInt8]) {
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

    private func control(_ item: Outcome.Item) -> Outcome.Entry {
      Outcome.Entry(item, deliveredBefore: partial?.bytes.count ?? 0)
    }

    private mutating func note(text: Bool, _ bytes: [UInt8], _ finished: Bool) {
      if let partial, partial.isText != text { wrong("text and bytes in one message") }
      let all = (partial?.bytes ?? []) + bytes
      partial = finished ? nil : (text, all)
      guard finished else { return }
      sentEntries.append(
        Outcome.Entry(text ? .text(String(decoding: all, as: UTF8.self)) : .bytes(all))
      )
    }

    private mutating func sendPrepared(_ payload: [UInt8], text: Bool, compress: Bool) {
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

    private mutating func sendPong(_ payload: [UInt8]) {
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

    // MARK: The end

    mutating func finish() {
      takeEvents()
      checkReceived()
      if meddler == nil { checkSent() }
      do throws(ProtocolError) { try connection.receiveEndOfStream() } catch {
        wrong("an error at the end", [("error", error)])
      }
      while let event = connection.nextEvent() { collector.add(event) }
      if connection.state != .closed { wrong("the stream has ended, and the connection hasn't") }
    }

    private func checkReceived() {
      let found = collector.finished
      let plain = Self.connect(role, delivery, limits, kind, meddler, nil)
      var reference = OutcomeCollector(wholeMessages: delivery == .wholeMessages)
      withExactCopy(of: received) { chunk in plain.receive(chunk) { event in reference.add(event) } }
      var expected = reference.finished
      if streamEnded, expected.code == nil { expected.code = 1006 }
      if found != expected {
        wrong("events", [("received", received), ("found", found), ("expected", expected)])
      }
    }

    private func checkSent() {
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

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(7692)
    return (0..<256).map { number in
      [UInt8(number & 0x3F), number % 3 == 0 ? 0xFF : 0] + random.bytes(40 + number % 200)
    }
  }
}
