// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import WSProto
import WSProtoTestSupport

/// One end of a conversation over a socket. What it sends depends on what it has received alone, not on the reads that
/// this came in: so the bytes of an undisturbed conversation are known beforehand.
final class FaultyEnd {
  enum Door: CaseIterable { case owned, borrowed, reading }

  /// How it has ended.
  enum End: Hashable {
    /// By the peer's Close, with this code.
    case closed(UInt16)
    /// The handshake is not complete.
    case handshakeFailed
    case open
  }

  let role: ConnectionType
  private let endpoint: WSConnection
  private let socket: TestSocket
  private let door: Door
  private var collector = OutcomeCollector(wholeMessages: false)
  private var handshakeFailed = false
  private var isOpen = false
  private var hasSentClose = false
  /// What is to be written.
  private var output: [UInt8] = []
  private(set) var received: [UInt8] = []
  /// Calls that have thrown what they must not.
  private(set) var violations: [String] = []
  private(set) var hasFinished = false

  init(_ role: ConnectionType, _ socket: TestSocket, door: Door, compresses: Bool) {
    self.role = role
    self.socket = socket
    self.door = door
    self.compresses = compresses
    endpoint = WSConnection(
      role,
      configuration: Configuration(
        // Echoes are whole, whatever the cuts.
        delivery: role == .server ? .wholeMessages : .chunks,
        // The same keys and nonce each time.
        randomSource: RandomSource { room in for index in room.indices { room[index] = 0x3A } }
      )
    )
    guard role == .client else { return }
    send(Request(host: "a", target: "/", extensions: extensions))
  }

  private let compresses: Bool

  private var extensions: [any Extension] {
    let deflate = try? PerMessageDeflate(level: 1, memoryLevel: 1)
    return compresses ? [deflate].compactMap { $0 } : []
  }

  var outcome: Outcome { collector.finished }

  var state: ConnectionState { endpoint.state }

  var end: End {
    if handshakeFailed { return .handshakeFailed }
    return collector.outcome.code.map { .closed($0) } ?? .open
  }

  // MARK: The program

  private func send(_ event: some EventConvertible) {
    do throws(LocalProtocolError) { try endpoint.send(event, into: &output) } catch {
      violations.append("\(error)")
    }
  }

  private func handshake(_ event: Event) {
    isOpen = true
    switch event {
    case .request:
      send(AcceptConnection(extensions: extensions))
      send(Ping(payload: "s"))
    case .acceptConnection:
      send(TextMessage(data: "Grüße, 😀"))
      send(BytesMessage(data: Bytes([UInt8](repeating: 0x55, count: 130))))
      send(TextMessage(data: "in ж", messageFinished: false))
      send(Ping(payload: "c"))
      send(TextMessage(data: "двух parts"))
    default: violations.append("\(event)")
    }
  }

  private func message(_ message: Event) {
    if role == .server { send(message) }
    let messages = collector.outcome.entries.count { if case .ping = $0.item { false } else { true } }
    // Three echoes and a pong.
    if role == .client, messages == 4, !hasSentClose {
      hasSentClose = true
      send(CloseConnection(code: .normalClosure, reason: "done"))
    }
  }

  private func control(_ event: Event) {
    switch event {
    case .ping(let ping): if endpoint.state == .open { send(ping.response()) }
    case .closeConnection(let close): if endpoint.state == .remoteClosing { send(close.response()) }
    default: break
    }
  }

  private func take(_ event: Event) {
    switch event {
    case .request, .acceptConnection, .rejectConnection, .rejectData: return handshake(event)
    case .textMessage, .bytesMessage, .pong:
      collector.add(event)
      if case .pong = event, role == .server { return }
      message(event)
    case .ping, .closeConnection:
      collector.add(event)
      control(event)
    }
  }

  private func take(_ event: borrowing BorrowedEvent) {
    switch event {
    case .textMessage(let part):
      collector.add(event)
      message(.textMessage(TextMessage(data: String(copying: part.data))))
    case .bytesMessage(let part):
      collector.add(event)
      message(.bytesMessage(BytesMessage(data: Bytes(copying: part.data))))
    case .ping(let payload):
      collector.add(event)
      control(.ping(Ping(payload: Bytes(copying: payload))))
    case .pong(let payload):
      collector.add(event)
      if role == .client { message(.pong(Pong(payload: Bytes(copying: payload)))) }
    case .closeConnection(let code, let reason):
      collector.add(event)
      control(.closeConnection(CloseConnection(code: code, reason: String(copying: reason))))
    case .handshake(let event): handshake(event)
    case .handshakeFailed: handshakeFailed = true
    }
  }

  // MARK: The transport

  /// Writes what is to be written: how many bytes. None where the peer is gone.
  func flush() -> Int {
    let bytes = output
    output = []
    guard !bytes.isEmpty, socket.write(bytes) else { return 0 }
    return bytes.count
  }

  /// Whether the transport is to be closed, the first time.
  func finish() -> Bool {
    guard endpoint.state == .closed, !hasFinished, output.isEmpty else { return false }
    hasFinished = true
    socket.finishWriting()
    return true
  }

  /// Reads `count` bytes, or to the end of the stream for `nil`; whether it could.
  func receive(_ count: Int?) -> Bool {
    var left = count
    while left != 0 {
      let before = received.count
      switch receiveOnce(atMost: left ?? 4096) {
      case .bytes: left = left.map { $0 - (received.count - before) }
      case .end, .reset:
        endOfStream()
        return count == nil
      case .hang: return false
      }
    }
    return true
  }

  private func receiveOnce(atMost count: Int) -> TestSocket.Read {
    var found = TestSocket.Read.hang
    func read(_ room: UnsafeMutableRawBufferPointer) -> Int {
      found = socket.read(into: room)
      guard case .bytes(let count) = found else { return 0 }
      received += room.prefix(count)
      return count
    }
    guard door != .reading else {
      _ = endpoint.receive(upTo: count, reading: { room in read(room) }, { event in take(event) })
      return found
    }
    var memory = [UInt8](repeating: 0, count: count)
    let written = memory.withUnsafeMutableBytes { read($0) }
    if door == .borrowed {
      endpoint.receive(&memory, count: written) { event in take(event) }
    } else {
      do throws(ProtocolError) { try endpoint.receiveData(memory.prefix(written)) } catch {
        violations.append("\(error)")
      }
      while let event = endpoint.nextEvent() { take(event) }
    }
    return found
  }

  private func endOfStream() {
    guard door == .owned else { return endpoint.receiveEndOfStream { event in take(event) } }
    do throws(ProtocolError) { try endpoint.receiveEndOfStream() } catch {
      if case .remote = error { handshakeFailed = true } else { violations.append("\(error)") }
    }
    while let event = endpoint.nextEvent() { take(event) }
  }
}
#endif
