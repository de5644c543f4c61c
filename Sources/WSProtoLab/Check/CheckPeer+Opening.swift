// SPDX-License-Identifier: Apache-2.0

import WSProto

// The opening handshake (RFC 6455 §4), from either end.
extension CheckPeer {
  /// Opens the connection; with a client under test, answers its request.
  ///
  /// - Parameters:
  ///   - extensions: what our request offers, or our answer agrees to; `nil` for none.
  ///   - edit: changes our head, in a way that stays legal.
  /// - Returns: the peer's head.
  @discardableResult
  func open(
    extensions: String? = nil,
    _ edit: (inout WireHead) -> Void = { _ in }
  ) async throws -> HandshakeRecord {
    if role == .server { return try await accept(extensions: extensions, edit) }
    var head = WireHead.request(settings)
    if let extensions { head.set("Sec-WebSocket-Extensions", extensions) }
    edit(&head)
    await send(head.bytes)
    return try await expectAcceptance(of: head)
  }

  /// Expects the answer that opens the connection, for a request that was sent.
  @discardableResult
  func expectAcceptance(of request: WireHead) async throws -> HandshakeRecord {
    let expected = "101 Switching Protocols"
    var informational = 0
    while true {
      guard let response = await readHead() else {
        throw failure(expected: expected, seen: transcript.end ?? "no complete answer in time")
      }
      let status = WebSocketRequest.status(response)
      if let status, 100..<200 ~= status, status != 101, informational < 8 {
        informational += 1
        continue
      }
      guard status == 101 else {
        throw failure(expected: expected, seen: shownStart(response), severity: refusalSeverity)
      }
      try judge(request.bytes, response)
      beginFrames()
      return response
    }
  }

  private func judge(_ request: [UInt8], _ response: HandshakeRecord) throws {
    var judge = HandshakeJudge()
    _ = judge.read(request: request)
    switch judge.read(response: rawHead) {
    case .accepted(let subprotocol, let coding):
      self.subprotocol = subprotocol
      self.coding = coding
    case .illegal(let error):
      let finding = WebSocketRequest.finding(error, in: rawHead)
      throw failure(
        expected: "an answer that agrees with the request",
        seen: finding.message,
        section: finding.section,
        severity: .must
      )
    case .rejected, .informational: throw failure(expected: "101", seen: shownStart(response))
    // Our request is one that WSProto does not read: what the answer agrees to is not known then.
    case .unjudged: coding = .unknownExtension
    }
  }

  /// Expects that the request which was sent is refused: by any status but 101.
  func expectRefusal(_ expected: String = "an HTTP error, such as 400") async throws {
    guard let response = await readHead() else {
      if isOver {
        throw failure(
          expected: expected,
          seen: "\(transcript.end ?? "the end"), without a response",
          severity: .should
        )
      }
      throw failure(expected: expected, seen: "no answer in time")
    }
    let status = WebSocketRequest.status(response)
    if status == 101 { throw failure(expected: expected, seen: "it was accepted: \(shownStart(response))") }
    if let status, !(400..<600 ~= status) { note("answered with \(status), as to a request for a page") }
  }

  func shownStart(_ head: HandshakeRecord) -> String {
    shown(String(decoding: head.startLine.prefix(120), as: UTF8.self))
  }

  // MARK: A client under test

  /// Reads the client's request, which must be legal.
  func readRequest() async throws -> (head: HandshakeRecord, judge: HandshakeJudge) {
    guard let head = await readHead() else {
      throw failure(
        expected: "a request for a WebSocket",
        seen: transcript.end ?? "no complete request in time"
      )
    }
    var judge = HandshakeJudge()
    if let error = judge.read(request: rawHead) {
      let finding = WebSocketRequest.finding(error, in: rawHead)
      throw failure(
        expected: "a legal request for a WebSocket",
        seen: finding.message,
        section: finding.section,
        severity: .must
      )
    }
    hasNewKey = settings.keys.insert(head.value("Sec-WebSocket-Key").map(Array.init) ?? [])
    return (head, judge)
  }

  private func accept(extensions: String?, _ edit: (inout WireHead) -> Void) async throws -> HandshakeRecord {
    let (head, judge) = try await readRequest()
    var response = Self.acceptance(of: head)
    if let offered = judge.request?.subprotocols.first { response.set("Sec-WebSocket-Protocol", offered) }
    if let extensions { response.set("Sec-WebSocket-Extensions", extensions) }
    edit(&response)
    await send(response.bytes)
    if case .accepted(let subprotocol, let coding) = judge.read(response: response.bytes) {
      self.subprotocol = subprotocol
      self.coding = coding
    }
    beginFrames()
    return head
  }

  static func acceptance(of request: HandshakeRecord) -> WireHead {
    let key = request.value("Sec-WebSocket-Key").map { String(decoding: $0, as: UTF8.self) } ?? ""
    return WireHead.acceptance(of: key)
  }

  /// Answers the client's request with a head that it must not take (RFC 6455 §4.1), and expects it to end the connection.
  func expectNotOpened(_ edit: (inout WireHead, HandshakeRecord) -> Void) async throws {
    let (head, _) = try await readRequest()
    var response = Self.acceptance(of: head)
    edit(&response, head)
    await send(response.bytes)
    let expected = "the end of the connection, without a frame"
    // Behind an answer of HTTP the connection may be used for another request; behind 101 it is to be closed (§7.1.7).
    if await takesRequest() {
      if response.startLine.hasPrefix("HTTP/1.1 101") {
        throw failure(expected: expected, seen: "another request on the same connection")
      }
      return note("the connection is used for another request")
    }
    beginFrames()
    // A client may speak first: what it sends on a connection that it must not have opened is no use to wait for.
    while true {
      switch try await receive() {
      case .end: return
      case .frame(let frame) where frame.head.meaning == .close:
        note("the connection was ended by a Close")
        return
      case .frame(let frame):
        throw failure(expected: expected, seen: "it was taken for open: \(Self.describe(frame))")
      case .message(let message):
        throw failure(expected: expected, seen: "it was taken for open: \(Self.describe(message))")
      case .silence: throw failure(expected: expected, seen: "the connection stays open")
      }
    }
  }

  // MARK: permessage-deflate

  /// Opens a connection with permessage-deflate (RFC 7692 §7).
  ///
  /// - Parameter extensions: the offer of our request, or our answer.
  /// - Returns: what was agreed on.
  @discardableResult
  func openDeflate(_ extensions: String = "permessage-deflate") async throws -> PerMessageDeflate {
    if role == .server { return try await acceptDeflate(extensions) }
    let response = try await open(extensions: extensions)
    guard case .deflate(let agreed) = coding else {
      throw CheckStop.notApplicable("the server does not accept \"\(extensions)\"")
    }
    let answer = response.value("Sec-WebSocket-Extensions").map { String(decoding: $0, as: UTF8.self) } ?? ""
    try makeDeflater(agreed.clientMaxWindowBits, answer)
    return agreed
  }

  private func acceptDeflate(_ answer: String) async throws -> PerMessageDeflate {
    let (head, judge) = try await readRequest()
    let offers = (judge.request?.extensions ?? []).compactMap { ($0 as? OfferedExtension)?.header }
      .filter { $0.name == PerMessageDeflate.name }
    guard !offers.isEmpty else {
      throw CheckStop.notApplicable("the client does not offer permessage-deflate")
    }
    var response = Self.acceptance(of: head)
    if let offered = judge.request?.subprotocols.first { response.set("Sec-WebSocket-Protocol", offered) }
    response.set("Sec-WebSocket-Extensions", answer)
    guard case .accepted(_, let coding) = judge.read(response: response.bytes),
      case .deflate(let agreed) = coding
    else { throw CheckStop.notApplicable("what the client offers does not allow \"\(answer)\"") }
    await send(response.bytes)
    self.coding = coding
    beginFrames()
    try makeDeflater(agreed.serverMaxWindowBits, answer)
    return agreed
  }

  private func makeDeflater(_ bits: Int, _ answer: String) throws {
    // A window of 8 bits, with which zlib cannot compress: stored blocks refer to nothing.
    let isTiny = answer.contains("max_window_bits=8")
    do {
      deflate = try Deflater(windowBits: max(9, bits), level: isTiny ? 0 : 6)
    } catch {
      throw CheckStop.notApplicable("there is no memory to compress with")
    }
  }

  /// A payload, compressed by our context: it may refer to what was compressed before.
  func compress(_ payload: [UInt8]) -> [UInt8] {
    var output = AssemblyBuffer()
    payload.withUnsafeBytes { try? deflate?.compress($0, finishMessage: true, into: &output) }
    return Array(output.take())
  }

  /// Forgets what was compressed before.
  func forgetHistory() { deflate?.reset() }
}
