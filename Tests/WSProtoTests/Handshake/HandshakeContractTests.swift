// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProtoTestSupport

@testable import WSProto

/// What the documentation of the handshake promises, tested for every call.
@Suite struct HandshakeContractTests {
  // MARK: Early bytes

  /// The loop of "Integrating I/O": events are taken, and the request is decided on, after each read.
  private func serve(_ pieces: [ArraySlice<UInt8>], limits: Limits = Limits()) throws -> [Event] {
    let server = WSConnection(.server, configuration: Configuration(delivery: .wholeMessages, limits: limits))
    var events: [Event] = []
    for piece in pieces {
      try server.receiveData(piece)
      while let event = server.nextEvent() {
        events.append(event)
        if case .request = event { _ = try server.send(AcceptConnection()) }
      }
    }
    return events
  }

  @Test(
    "C1: a head followed by a frame of 70,000 bytes is accepted and read, however the bytes are split",
    .fault("C1"),
    arguments: [1, 100, 4096, 65_536, 65_700, Int.max]
  )
  func early(size: Int) throws {
    let payload = (0..<70_000).map { UInt8(truncatingIfNeeded: $0) }
    let stream = Array(upgradeRequest().utf8) + WireFrame(to: .server, 2, payload).bytes
    var pieces: [ArraySlice<UInt8>] = []
    var rest = stream[...]
    while !rest.isEmpty {
      pieces.append(rest.prefix(size))
      rest = rest.dropFirst(size)
    }
    for limit in [0, 64 << 10] {
      var limits = Limits()
      limits.maxEarlyBytes = limit
      let events = try serve(pieces, limits: limits)
      #expect(events.count == 2)
      #expect(events.last == .bytesMessage(BytesMessage(data: Bytes(payload))))
    }
  }

  @Test(
    "C1: a late decision is limited: what had accumulated before a read is checked against the limit",
    .fault("C1")
  )
  func late() throws {
    for limit in [0, 10, 64 << 10] {
      var limits = Limits()
      limits.maxEarlyBytes = limit
      let configuration = Configuration(limits: limits)
      let block = [UInt8](repeating: 0x89, count: 60_000)
      let server = H11Handshake(.server, configuration: configuration)
      try server.receiveData(Array(upgradeRequest().utf8) + block)
      try server.receiveData([])
      if limit > 60_000 { try server.receiveData(block) }
      let error = #expect(throws: ProtocolError.self) { try server.receiveData([0x89]) }
      guard case .remote(let remote) = error, let hint = remote.eventHint else {
        Issue.record("\(String(describing: error))")
        return
      }
      // What had arrived is dropped, and the request with it.
      #expect(server.reader.bufferedCount == 0)
      #expect(throws: LocalProtocolError.self) { try server.send(AcceptConnection()) }
      #expect(try server.send(hint).starts(with: "HTTP/1.1 400 ".utf8))
    }
  }

  // MARK: Calls in the wrong state

  private static let parsed = HeadValues(upgradeRequest()).fields

  @Test(
    "C2: initiateUpgradeConnection throws after a request was read, and on an open or closed connection",
    .fault("C2")
  )
  func initiateLate() throws {
    func expectThrow(_ server: H11Handshake, _ comment: Comment) {
      let (state, events) = (server.state, server.hasEvents)
      let error = #expect(throws: ProtocolError.self, comment) {
        try server.initiateUpgradeConnection(headers: Self.parsed, path: "/second")
      }
      if case .local(let local) = error {
        #expect(local.violation == .state(state))
      } else {
        Issue.record(comment)
      }
      #expect(server.state == state && server.hasEvents == events)
    }
    let begun = H11Handshake(.server)
    try begun.receiveData("GET / HT".utf8)
    expectThrow(begun, "a request begun")
    try begun.receiveData("TP/1.1\r\n\(upgradeRequest().dropFirst(23))".utf8)

    let server = H11Handshake(.server)
    try server.initiateUpgradeConnection(headers: Self.parsed, path: "/first")
    expectThrow(server, "a request undecided, its event not taken")
    guard case .request(let request) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(request.target == "/first")
    expectThrow(server, "a request undecided")
    _ = try server.send(AcceptConnection())
    expectThrow(server, "accepted")
    let connection = try #require(server.connection)
    expectThrow(server, "open")
    #expect(connection.nextEvent() == nil && connection.state == .open)

    let refused = H11Handshake(.server)
    try refused.receiveData(upgradeRequest().utf8)
    _ = try refused.send(RejectConnection(hasBody: true))
    _ = refused.nextEvent()
    expectThrow(refused, "the body of a refusal is under way")
    _ = try refused.send(RejectData(data: Bytes()))
    expectThrow(refused, "refused")

    let illegal = H11Handshake(.server)
    #expect(throws: ProtocolError.self) { try illegal.receiveData("?\r\n".utf8) }
    expectThrow(illegal, "not legal")

    let whole = WSConnection(.server)
    try whole.receiveData(upgradeRequest().utf8)
    _ = whole.nextEvent()
    _ = try whole.send(AcceptConnection())
    #expect(throws: ProtocolError.self) {
      try whole.initiateUpgradeConnection(headers: Self.parsed, path: "/")
    }
    #expect(whole.nextEvent() == nil && whole.state == .open)
  }

  @Test(
    "C3: receiveData throws after the handshake is over, and holds nothing",
    .fault("C3"),
    arguments: ConnectionType.allCases
  )
  func receiveLate(role: ConnectionType) throws {
    func expectThrow(_ handshake: H11Handshake, _ state: ConnectionState) {
      let block = [UInt8](repeating: 0x89, count: 1 << 20)
      for _ in 0..<3 {
        let error = #expect(throws: ProtocolError.self) { try handshake.receiveData(block) }
        guard case .local(let local) = error else {
          Issue.record("\(String(describing: error))")
          return
        }
        #expect(local.violation == .state(state))
      }
      #expect(handshake.reader.bufferedCount == 0 && handshake.state == state && !handshake.hasEvents)
    }
    let (accepted, rejected) = (H11Handshake(role), H11Handshake(role))
    switch role {
    case .client:
      let head = try accepted.send(Request(host: "h", target: "/"))
      try accepted.receiveData(switchingProtocols(to: head).utf8)
      _ = try rejected.send(Request(host: "h", target: "/"))
      try rejected.receiveData("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".utf8)
    case .server:
      for one in [accepted, rejected] { try one.receiveData(upgradeRequest().utf8) }
      _ = try accepted.send(AcceptConnection())
      _ = try rejected.send(RejectConnection())
    }
    for one in [accepted, rejected] { while one.nextEvent() != nil {} }
    expectThrow(accepted, .open)
    _ = accepted.connection
    expectThrow(accepted, .open)
    #expect(throws: ProtocolError.self) { try accepted.receiveEndOfStream() }
    #expect(accepted.connection?.nextEvent() == nil)
    expectThrow(rejected, .closed)
    try rejected.receiveEndOfStream()
  }

  // MARK: Code of others

  /// Calls back into its own handshake, and records the result.
  final class Caller: @unchecked Sendable {
    var handshake: H11Handshake?
    private(set) var errors: [LocalProtocolError.Violation] = []

    func call() {
      guard let handshake else { return }
      let state = handshake.state
      var output: [UInt8] = []
      note { () throws(LocalProtocolError) in
        try handshake.send(Request(host: "h", target: "/"), into: &output)
      }
      note { () throws(LocalProtocolError) in try handshake.send(AcceptConnection(), into: &output) }
      note { () throws(LocalProtocolError) in try handshake.send(RejectConnection(), into: &output) }
      note { () throws(ProtocolError) in try handshake.receiveData("HTTP/1.1 403 No\r\n\r\n".utf8) }
      note { () throws(ProtocolError) in try handshake.receiveEndOfStream() }
      note { () throws(LocalProtocolError) in _ = try handshake.takeTrailingBytes() }
      if handshake.type == .server {
        note { () throws(ProtocolError) in try handshake.initiateUpgradeConnection(headers: [:], path: "/") }
      }
      #expect(output.isEmpty && handshake.state == state && handshake.connection == nil)
    }

    private func note(_ body: () throws -> Void) {
      do {
        try body()
        Issue.record("a call from within was taken")
      } catch let error as LocalProtocolError {
        errors.append(error.violation)
      } catch ProtocolError.local(let error) {
        errors.append(error.violation)
      } catch {
        Issue.record(error)
      }
    }
  }

  struct CallingExtension: Extension {
    var caller: Caller
    var name: String {
      caller.call()
      return "x"
    }
    static func == (left: Self, right: Self) -> Bool { left.caller === right.caller }
    func hash(into hasher: inout Hasher) {}
    func enabled() -> Bool {
      caller.call()
      return false
    }
    func offers() -> [[ExtensionParameter]] {
      caller.call()
      return [[]]
    }
    func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
      caller.call()
      return []
    }
    func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) { caller.call() }
  }

  @Test(
    "C8: an extension or a random source that calls back gets an error, and the outer call is unharmed",
    .fault("C8")
  )
  func reentrance() throws {
    let caller = Caller()
    let source = RandomSource { buffer in
      caller.call()
      buffer.initializeMemory(as: UInt8.self, repeating: 7)
    }
    let client = H11Handshake(.client, configuration: Configuration(randomSource: source))
    let server = H11Handshake(.server)
    caller.handshake = client
    let request = Request(host: "h", target: "/", extensions: [CallingExtension(caller: caller)])
    let head = try client.send(request)
    #expect(String(decoding: head, as: UTF8.self).split(separator: "GET ").count == 1)
    try server.receiveData(head)
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    caller.handshake = server
    let answer = try server.send(AcceptConnection(extensions: [CallingExtension(caller: caller)]))
    #expect(String(decoding: answer, as: UTF8.self).split(separator: "HTTP/1.1 ").count == 1)
    #expect(fieldValue("Sec-WebSocket-Extensions", in: answer) == "x")
    caller.handshake = client
    try client.receiveData(answer)
    guard case .acceptConnection = client.nextEvent() else {
      Issue.record("no acceptance")
      return
    }
    caller.handshake = nil
    #expect(client.connection?.state == .open && server.connection?.state == .open)
    #expect(caller.errors.count > 30)
    #expect(caller.errors.allSatisfy { $0 == .reentrance })
  }

  @Test(
    "a head too large for a span changes nothing, and the error says how much room it needs",
    arguments: ConnectionType.allCases
  )
  func room(role: ConnectionType) throws {
    // An answer longer than any bound that could be computed before.
    struct Verbose: Extension {
      var name: String { "x" }
      func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
        [ExtensionParameter(name: String(repeating: "p", count: 3000))]
      }
    }
    let connection = WSConnection(role)
    var event = Event.request(Request(host: "h", target: "/"))
    if role == .server {
      let head = upgradeRequest(extra: "Sec-WebSocket-Extensions: x\r\n")
      try connection.receiveData(Array(head.utf8) + [0x89, 0x80, 0, 0, 0, 0])
      _ = connection.nextEvent()
      event = .acceptConnection(AcceptConnection(extensions: [Verbose()]))
    }
    func send(_ event: Event, room: Int) throws -> [UInt8] {
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
      defer { memory.deallocate() }
      var output = OutputRawSpan(buffer: memory, initializedCount: 0)
      try connection.send(event, into: &output)
      let count = output.finalize(for: memory)
      return Array(memory[..<count])
    }
    for tried in [event, .rejectConnection(RejectConnection())] where role == .server || tried == event {
      let error = #expect(throws: LocalProtocolError.self) { try send(tried, room: 20) }
      guard case .outputTooSmall(let needed) = error?.violation else {
        Issue.record("\(String(describing: error))")
        return
      }
      #expect(needed > 20 && connection.state == .connecting)
      if tried == event, role == .server { #expect(needed > 3000) }
    }
    #expect(try send(event, room: 4000).starts(with: role == .client ? "GET ".utf8 : "HTTP/1.1 101 ".utf8))
    if role == .server { #expect(connection.nextEvent() == .ping(Ping())) }
  }

  // MARK: Memory

  @Test(
    "M6: the head is released when the handshake is over and the events that share it are gone",
    .fault("M6")
  )
  func head() throws {
    for accepts in [true, false] {
      let server = H11Handshake(.server)
      weak var head: ReceivedHead?
      try autoreleased {
        try server.receiveData(upgradeRequest(extra: "X: \(String(repeating: "a", count: 14_000))\r\n").utf8)
        var event = server.nextEvent()
        guard case .request(let request) = event else {
          Issue.record("no request")
          return
        }
        head = request.received
        #expect(head != nil)
        event = nil
        if accepts {
          _ = try server.send(AcceptConnection())
        } else {
          _ = try server.send(RejectConnection())
        }
        #expect(head != nil)
      }
      #expect(head == nil && server.reader.bufferedCount == 0)
      #expect((server.connection == nil) == !accepts)
    }
  }

  @Test("M6: the same for a client, accepted, refused and failed", .fault("M6"))
  func clientHead() throws {
    for answer in 0..<3 {
      let client = H11Handshake(.client)
      weak var head: ReceivedHead?
      weak var sent: Caller?
      try autoreleased {
        let caller = Caller()
        sent = caller
        let request = Request(host: "h", target: "/", extensions: [CallingExtension(caller: caller)])
        let bytes = try client.send(request)
        switch answer {
        case 0: try client.receiveData(switchingProtocols(to: bytes, "X: y\r\n").utf8)
        case 1: try client.receiveData("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nab".utf8)
        default: #expect(throws: ProtocolError.self) { try client.receiveData("?\r\n".utf8) }
        }
        if case .acceptConnection(let accept) = client.nextEvent() {
          head = accept.received
          #expect(head != nil && answer == 0)
          _ = accept
        }
      }
      while client.nextEvent() != nil {}
      #expect(head == nil && sent == nil && client.reader.bufferedCount == 0)
    }
  }

  private func autoreleased(_ body: () throws -> Void) rethrows { try body() }

  // MARK: A relay

  @Test(
    "what followed the handshake can be taken as bytes, once, instead of a connection",
    arguments: [true, false]
  )
  func trailingBytes(late: Bool) throws {
    let server = H11Handshake(.server)
    #expect(throws: LocalProtocolError.self) { try server.takeTrailingBytes() }
    try server.receiveData(Array(upgradeRequest().utf8) + [1, 2])
    if late { try server.receiveData([3]) }
    #expect(throws: LocalProtocolError.self) { try server.takeTrailingBytes() }
    _ = server.nextEvent()
    _ = try server.send(AcceptConnection())
    #expect(try server.takeTrailingBytes() == (late ? [1, 2, 3] : [1, 2]))
    #expect(throws: LocalProtocolError.self) { try server.takeTrailingBytes() }
    #expect(server.connection == nil && server.state == .open && server.reader.bufferedCount == 0)
    #expect(throws: ProtocolError.self) { try server.receiveData([4]) }

    let client = H11Handshake(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    try client.receiveData(Array(switchingProtocols(to: head).utf8) + [5])
    #expect(try client.takeTrailingBytes() == [5])
    #expect(client.connection == nil)

    let kept = H11Handshake(.client)
    try kept.receiveData(
      Array(switchingProtocols(to: try kept.send(Request(host: "h", target: "/"))).utf8) + [0x89]
    )
    let connection = try #require(kept.connection)
    #expect(throws: LocalProtocolError.self) { try kept.takeTrailingBytes() }
    try connection.receiveData([0] as [UInt8])
    #expect(connection.nextEvent() == .ping(Ping()))
    #expect(kept.connection === connection)
  }

  @Test(
    "C11: a relay forwards what it has received, in both directions, and the ends agree on their extensions",
    .fault("C11")
  )
  func relay() throws {
    let (client, front) = (H11Handshake(.client), H11Handshake(.server))
    let (back, server) = (H11Handshake(.client), H11Handshake(.server))
    let asked = Request(
      host: "example.com:8080",
      target: "/chat?x=1",
      extensions: [PerMessageDeflate()],
      extraHeaders: [.origin: "http://o", .cookie: "a=b"],
      subprotocols: ["a", "b"]
    )
    try front.receiveData(client.send(asked))
    guard case .request(let request) = front.nextEvent() else {
      Issue.record("no request")
      return
    }
    let sentOn = try back.send(request)
    #expect(fieldValue("Sec-WebSocket-Key", in: sentOn) != request.extraHeaders[.secWebSocketKey])
    try server.receiveData(sentOn)
    guard case .request(let arrived) = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    #expect(
      arrived.host == asked.host && arrived.target == asked.target && arrived.subprotocols == ["a", "b"]
    )
    #expect(arrived.extensions.map { $0.offer() } == request.extensions.map { $0.offer() })
    #expect(arrived.extraHeaders[.origin] == "http://o" && arrived.extraHeaders[.cookie] == "a=b")
    let hello = AcceptConnection(
      subprotocol: "b",
      extensions: [PerMessageDeflate()],
      extraHeaders: [.server: "s"]
    )
    var wire = try server.send(hello)
    let message = try #require(server.connection).send(TextMessage(data: String(repeating: "a", count: 100)))
    wire += message
    try back.receiveData(wire)
    guard case .acceptConnection(let accept) = back.nextEvent() else {
      Issue.record("no acceptance")
      return
    }
    wire = try front.send(accept)
    wire += Array(try back.takeTrailingBytes())
    #expect(try front.takeTrailingBytes().isEmpty)
    try client.receiveData(wire)
    guard case .acceptConnection(let seen) = client.nextEvent() else {
      Issue.record("no acceptance")
      return
    }
    #expect(seen.subprotocol == "b" && seen.extraHeaders[.server] == "s")
    #expect(seen.extensions.map { $0.enabled() } == [true])
    let text = try #require(client.connection).nextEvent()
    #expect(text == .textMessage(TextMessage(data: String(repeating: "a", count: 100))))
  }

  @Test(
    "C11: only what concerns a single hop is removed from a received request (RFC 9110 §7.6.1)",
    .fault("C11")
  )
  func leftOut() throws {
    let server = H11Handshake(.server)
    try server.receiveData(
      upgradeRequest(
        without: "Connection",
        extra:
          "Connection: Upgrade, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\nContent-Length: 0\r\nOrigin: http://o\r\n"
      ).utf8
    )
    guard case .request(var request) = server.nextEvent(), let hop = HTTPField.Name("X-Hop") else {
      Issue.record("no request")
      return
    }
    func lines(_ bytes: [UInt8]) -> [Substring] {
      String(decoding: bytes, as: UTF8.self).split(separator: "\r\n").filter {
        !$0.hasPrefix("Sec-WebSocket-Key")
      }
    }
    let expected = [
      "GET /chat?x=1 HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
      "Sec-WebSocket-Version: 13", "X-End: 2", "Origin: http://o",
    ]
    #expect(lines(try H11Handshake(.client).send(request)) == expected.map { $0[...] })
    #expect(try ClientNegotiation(upgrade: request).fields.map(\.name.rawName) == ["X-End", "Origin"])
    // What the proxy adds is its own: it is sent, or refused if it is a field of the handshake.
    request.extraHeaders[hop] = "mine"
    #expect(lines(try H11Handshake(.client).send(request)).contains("X-Hop: mine"))
    for own in [
      HTTPField(name: .connection, value: "close"), HTTPField(name: .secWebSocketKey, value: "k"),
      HTTPField(name: .contentLength, value: "1"),
    ] {
      var changed = request
      changed.extraHeaders.append(own)
      let error = #expect(throws: LocalProtocolError.self) { try H11Handshake(.client).send(changed) }
      #expect(error?.violation == .head)
    }
    request.host = "other"
    #expect(fieldValue("Host", in: try H11Handshake(.client).send(request)) == "other")
  }

  @Test(
    "C11: a received acceptance can be forwarded, without what an odd server had put into it",
    .fault("C11")
  )
  func acceptanceSentOn() throws {
    let client = H11Handshake(.client)
    let head = try client.send(Request(host: "h", target: "/"))
    try client.receiveData(switchingProtocols(to: head, "Content-Length: 0\r\nServer: s\r\n").utf8)
    guard case .acceptConnection(let accept) = client.nextEvent() else {
      Issue.record("no acceptance")
      return
    }
    #expect(accept.extraHeaders[.contentLength] == "0")
    let server = H11Handshake(.server)
    try server.receiveData(upgradeRequest().utf8)
    let wire = try server.send(accept)
    #expect(fieldValue("Server", in: wire) == "s" && fieldValue("Content-Length", in: wire) == nil)
    let other = H11Handshake(.server)
    try other.receiveData(upgradeRequest().utf8)
    #expect(throws: LocalProtocolError.self) {
      try other.send(AcceptConnection(extraHeaders: [.contentLength: "0"]))
    }
  }
}
