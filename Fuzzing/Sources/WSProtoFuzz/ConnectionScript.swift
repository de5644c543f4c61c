// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

/// Thrown by the closures of the borrowed doors.
struct Interruption: Error {}

/// The calls on one connection, and what was seen of it; see ``FuzzConnection``.
struct ConnectionScript {
  let role: ConnectionType
  let delivery: MessageDelivery
  let limits: Limits
  let kind: UInt8
  let meddler: Meddler?
  /// Whether pongs and Closes are automatic.
  let replies: Bool
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
  /// The payload of the newest ping, if its automatic pong has not been sent.
  var waitingPong: [UInt8]?
  var log: [String] = []

  init(_ input: inout Input) {
    let choice = input.byte()
    role = choice & 1 == 0 ? .server : .client
    delivery = choice & 2 == 0 ? .chunks : .wholeMessages
    kind = choice >> 2 & 7
    var limits = Limits(&input)
    // The caller of this script often takes no events.
    if choice & 0x80 != 0 { limits.maxUntakenBytes = 24 }
    self.limits = limits
    replies = choice & 0x40 != 0
    meddler = kind == 5 || kind == 6 ? Meddler(&input, number: 0, refuses: true) : nil
    let deflater =
      kind >= 2 && kind <= 4 ? try? DeflateStream(DeflateSettings(level: 1, memoryLevel: 1)) : nil
    grammar = FrameGrammar(receiver: role, deflater: deflater)
    collector = OutcomeCollector(wholeMessages: delivery == .wholeMessages)
    received = choice & 0x20 == 0 ? [] : grammar.frame(&input)
    connection = Self.connect(
      role,
      delivery,
      limits,
      kind,
      meddler,
      pool,
      trailing: received,
      replies: replies ? .all : []
    )
  }

  /// Without extensions, with permessage-deflate of three kinds, with one that meddles, with both.
  static func connect(
    _ role: ConnectionType,
    _ delivery: MessageDelivery,
    _ limits: Limits,
    _ kind: UInt8,
    _ meddler: Meddler?,
    _ pool: DeflatePool?,
    trailing: [UInt8] = [],
    replies: AutomaticReplies = []
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
        automaticReplies: replies,
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
        ("meddler", meddler as Any), ("replies", replies), ("calls", log), ("state", connection.state),
      ] + details
    )
  }

  // MARK: Steps

  mutating func step(_ input: inout Input) {
    let choice = input.byte()
    let before = connection.state
    switch choice & 15 {
    case 0...5: receive(&input, door: choice & 7, times: 1 + Int(choice >> 6))
    case 6: for _ in 0...(choice >> 4) { if let event = connection.nextEvent() { see(event) } }
    case 7: takeEvents()
    case 8: if choice & 0x70 == 0 { endStream(borrowed: choice & 0x80 != 0) }
    case 9: release()
    case 10: sendReplies(choice >> 4)
    default: send(&input, into: choice >> 4)
    }
    check(before)
  }

  /// The state may only move on (RFC 6455 §4, §7).
  mutating func check(_ before: ConnectionState) {
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
    checkReplies()
  }

  /// What happens to an event: it is noted, and a ping is the one to answer.
  mutating func see(_ event: Event) {
    if replies, case .ping(let ping) = event { waitingPong = Array(ping.payload) }
    collector.add(event)
  }

  mutating func see(_ event: borrowing BorrowedEvent) {
    switch event {
    case .ping(let payload): if replies { waitingPong = payload.withUnsafeBytes { Array($0) } }
    default: break
    }
    collector.add(event)
  }

  mutating func receive(_ input: inout Input, door: UInt8, times: Int) {
    var bytes: [UInt8] = []
    for _ in 0..<times { bytes += grammar.frame(&input) }
    let pieces = cut(bytes, by: input.byte())
    log.append("receive \(bytes.count) bytes in \(pieces.count) by \(door)")
    // What comes behind the end of the stream is ignored.
    if !streamEnded { received += bytes }
    for piece in pieces { take(piece, door: door) }
  }

  mutating func take(_ piece: ArraySlice<UInt8>, door: UInt8) {
    // A copy, because the closures can't change this script while its connection is used.
    var script = self
    defer { self = script }
    switch door {
    case 0, 1:
      receiveOwned(piece, &script)
      if door == 1 { while let event = connection.nextEvent() { script.see(event) } }
    case 2:
      withExactCopy(of: piece) { chunk in connection.receive(chunk) { event in script.see(event) } }
    case 3:
      withExactCopy(of: piece) { (chunk) -> Void in
        do throws(Interruption) {
          try connection.receive(chunk) { (event) throws(Interruption) in
            script.see(event)
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
            script.see(event)
            if throwing {
              throwing = false
              throw Interruption()
            }
          }
        )
      } catch {}
    }
  }

  /// Refused only if too much waits. The same bytes are taken once the events are.
  func receiveOwned(_ piece: ArraySlice<UInt8>, _ script: inout ConnectionScript) {
    do throws(ProtocolError) { return try connection.receiveData(piece) } catch {
      guard case .local(let local) = error,
        local.violation == .eventsNotTaken(limit: limits.maxUntakenBytes),
        connection.buffer.count > limits.maxUntakenBytes
      else { wrong("an error where there is none", [("error", error)]) }
    }
    script.log.append("refused")
    while let event = connection.nextEvent() { script.see(event) }
    do throws(ProtocolError) { try connection.receiveData(piece) } catch {
      wrong("an error though all events were taken", [("error", error)])
    }
  }

  mutating func takeEvents() {
    log.append("take all events")
    while let event = connection.nextEvent() { see(event) }
    checkMemory()
  }

  mutating func endStream(borrowed: Bool) {
    log.append("end of stream")
    streamEnded = true
    if borrowed {
      var script = self
      connection.receiveEndOfStream { event in script.see(event) }
      self = script
    } else {
      do throws(ProtocolError) { try connection.receiveEndOfStream() } catch {
        wrong("an error at the end of the stream", [("error", error)])
      }
    }
  }

  mutating func release() {
    log.append("release contexts")
    connection.releaseContexts()
  }

  /// All events were taken: what is left is a frame, or a message, under way.
  func checkMemory() {
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

  // MARK: The end

  mutating func finish() {
    takeEvents()
    checkReplies()
    if replies { sendReplies(0) }
    checkReceived()
    if meddler == nil { checkSent() }
    do throws(ProtocolError) { try connection.receiveEndOfStream() } catch {
      wrong("an error at the end", [("error", error)])
    }
    while let event = connection.nextEvent() { collector.add(event) }
    if connection.state != .closed { wrong("the stream has ended, and the connection hasn't") }
  }

  func checkReceived() {
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
}
