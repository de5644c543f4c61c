// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// Our end of a connection of a test: bytes in, what has come out of them, bytes to write. Does no I/O.
final class ScenarioPeer {
  /// How a server of ours answers a request.
  struct Answer: Sendable {
    var subprotocol: String?
    var fields = HTTPFields()
    var compression = false
    var replies = true
    var refusal: (status: Int, body: [UInt8])?

    init() {}
  }

  /// What the opening handshake has said.
  struct Handshake: Sendable {
    /// The fields that the other end has sent.
    var fields = HTTPFields()
    /// The target of the client's request; `nil` on a client.
    var path: String?
    var subprotocol: String?
    var isCompressed = false
  }

  private let endpoint: WSConnection
  private let answer: Answer
  private var queue: [ScenarioSeen] = []
  private var first = 0
  /// Pings and pongs that nobody has taken; `nil` if they stand among the messages.
  private var controlFrames: [ScenarioSeen]?
  /// What has ended this direction: a Close, a violation, the end of the stream.
  private(set) var lastWord: ScenarioSeen?
  /// A refusal whose body is being read.
  private var refusal: (status: Int, body: [UInt8])?
  /// Whether the stream has ended.
  private(set) var hasEnded = false
  private(set) var handshake = Handshake()
  /// The bytes of what nobody has taken yet.
  private(set) var waitingBytes = 0

  /// How much of a refusal's body is kept.
  private static let maxBody = 4096
  /// How many pings and pongs are kept; the oldest are given up first.
  private static let maxControlFrames = 256

  /// - Parameters:
  ///   - replies: whether pings and Closes are answered without being told to.
  ///   - inOneOrder: whether pings and pongs stand among the messages. An endpoint may answer a ping before messages that came
  ///     earlier (RFC 6455 §5.5.2), so a test takes them apart.
  init(_ role: ConnectionType, replies: Bool, answer: Answer = Answer(), inOneOrder: Bool = false) {
    controlFrames = inOneOrder ? nil : []
    let limits = Limits(maxMessageBytes: Payload.maxBytes)
    let automatic: AutomaticReplies = replies ? .all : .rejections
    endpoint = WSConnection(
      role,
      configuration: Configuration(delivery: .wholeMessages, limits: limits, automaticReplies: automatic)
    )
    self.answer = answer
  }

  var isClient: Bool { endpoint.type == .client }

  /// Whether both Closes have passed, or there is nothing to close.
  var isClosed: Bool { endpoint.state == .closed }

  var isOpen: Bool { endpoint.state == .open }

  // MARK: Receiving

  /// Takes bytes. Returns what is to be written at once.
  func receive(_ bytes: [UInt8]) -> [UInt8] {
    guard !hasEnded else { return [] }
    do throws(ProtocolError) {
      try endpoint.receiveData(bytes)
    } catch {
      return drain() + fail(error)
    }
    return drain()
  }

  /// The stream has ended, for the reason that is given, if there is one.
  func end(_ why: String? = nil) -> [UInt8] {
    guard !hasEnded else { return [] }
    var output: [UInt8] = []
    do throws(ProtocolError) {
      try endpoint.receiveEndOfStream()
      output = drain()
    } catch {
      output = drain() + fail(error)
    }
    hasEnded = true
    finishRefusal()
    add(.ended(why))
    return output
  }

  private func fail(_ error: ProtocolError) -> [UInt8] {
    if case .remote = error { add(.handshakeFailed(error.description)) }
    return (try? endpoint.sendReplies()) ?? []
  }

  private func drain() -> [UInt8] {
    var output: [UInt8] = []
    while let event = endpoint.nextEvent() {
      take(event, &output)
      if endpoint.waitingReplyBytes > 0 { try? endpoint.sendReplies(into: &output) }
    }
    // The rest of a refusal's body may take its time.
    finishRefusal()
    return output
  }

  private func take(_ event: Event, _ output: inout [UInt8]) {
    switch event {
    case .request(let request): decide(request, &output)
    case .acceptConnection(let accept):
      handshake.fields = accept.extraHeaders
      handshake.subprotocol = accept.subprotocol
      handshake.isCompressed = !accept.extensions.isEmpty
      add(.opened)
    case .rejectConnection(let reject):
      handshake.fields = reject.headers
      refusal = (reject.statusCode, [])
    case .rejectData(let data):
      let room = Self.maxBody - (refusal?.body.count ?? Self.maxBody)
      refusal?.body += data.data.prefix(max(0, room))
    case .textMessage(let message): add(.text(Array(message.utf8)))
    case .bytesMessage(let message): add(.binary(Array(message.data)))
    case .ping(let ping): add(.ping(Array(ping.payload)))
    case .pong(let pong): add(.pong(Array(pong.payload)))
    case .closeConnection(let close):
      if let failure = endpoint.failure {
        add(.violation(failure.code.rawValue, failure.message))
      } else if close.code != .abnormalClosure {
        add(.close(close.code.rawValue, reason: close.reason ?? ""))
      }
    }
  }

  private func finishRefusal() {
    guard let refusal else { return }
    self.refusal = nil
    add(.refused(status: refusal.status, body: refusal.body))
  }

  private func decide(_ request: Request, _ output: inout [UInt8]) {
    handshake.path = request.target
    handshake.fields = request.extraHeaders
    if let name = HTTPField.Name("Host"), handshake.fields[name] == nil {
      handshake.fields[name] = request.host
    }
    if let refusal = answer.refusal {
      var fields = answer.fields
      fields[.contentLength] = String(refusal.body.count)
      let hasBody = !refusal.body.isEmpty
      let reject = RejectConnection(statusCode: refusal.status, headers: fields, hasBody: hasBody)
      guard (try? endpoint.send(reject, into: &output)) != nil else { return }
      if hasBody { try? endpoint.send(RejectData(data: Bytes(refusal.body)), into: &output) }
      return
    }
    let subprotocol = answer.subprotocol.flatMap { request.subprotocols.contains($0) ? $0 : nil }
    let accept = AcceptConnection(
      subprotocol: subprotocol,
      extensions: answer.compression ? [PerMessageDeflate()] : [],
      extraHeaders: answer.fields
    )
    do throws(LocalProtocolError) {
      try endpoint.send(accept, into: &output)
      handshake.subprotocol = subprotocol
      handshake.isCompressed = endpoint.connection?.extensions.contains { $0.enabled() } ?? false
      add(.opened)
    } catch {
      add(.handshakeFailed(error.description))
    }
  }

  // MARK: What has come

  private func add(_ seen: ScenarioSeen) {
    switch seen {
    case .ping where controlFrames != nil, .pong where controlFrames != nil:
      controlFrames?.append(seen)
      if let count = controlFrames?.count, count > Self.maxControlFrames { controlFrames?.removeFirst() }
      return
    case .close, .violation, .handshakeFailed, .ended: lastWord = lastWord ?? seen
    default: break
    }
    waitingBytes += seen.size
    queue.append(seen)
  }

  /// The next ping, or the next pong.
  func nextControlFrame(isPing: Bool) -> ScenarioSeen? {
    let position = controlFrames?.firstIndex { seen in
      if case .ping = seen { isPing } else { !isPing }
    }
    return position.flatMap { controlFrames?.remove(at: $0) }
  }

  /// The next thing that has come.
  func next() -> ScenarioSeen? {
    guard first < queue.count else { return nil }
    let seen = queue[first]
    waitingBytes -= seen.size
    first += 1
    if first == queue.count {
      queue.removeAll(keepingCapacity: true)
      first = 0
    } else if first >= 1024 {
      queue.removeFirst(first)
      first = 0
    }
    return seen
  }

  /// Puts back what was taken last.
  func putBack(_ seen: ScenarioSeen) {
    waitingBytes += seen.size
    queue.insert(seen, at: first)
  }

  // MARK: Sending

  /// The client's request.
  func request(_ request: Request) throws(ScenarioFailure) -> [UInt8] { try bytes(request.event) }

  /// The bytes of a step.
  func bytes(of send: SendStep, _ variables: ScenarioVariables) throws(ScenarioFailure) -> [UInt8] {
    switch send.content {
    case .text(let payload): return try message(text: payload.bytes(variables), send.frames)
    case .json(let template):
      return try message(text: Array(template.value(variables).compact.utf8), send.frames)
    case .binary(let payload): return try message(binary: payload.bytes(variables), send.frames)
    case .ping(let payload): return try bytes(.ping(Ping(payload: Bytes(payload.bytes(variables)))))
    case .pong(let payload): return try bytes(.pong(Pong(payload: Bytes(payload.bytes(variables)))))
    case .close(let close): return try bytes(of: close, variables)
    case .frame(let frame): return try frame.bytes(sentByClient: isClient, variables)
    case .raw(let payload): return try payload.bytes(variables)
    }
  }

  /// The bytes of a Close.
  func bytes(
    of close: ClosePayloadStep,
    _ variables: ScenarioVariables
  ) throws(ScenarioFailure) -> [UInt8] {
    let code = close.code.map { CloseReason($0) } ?? .noStatusRcvd
    return try bytes(.closeConnection(CloseConnection(code: code, reason: close.reason?.text(variables))))
  }

  private func bytes(_ event: Event) throws(ScenarioFailure) -> [UInt8] {
    do throws(LocalProtocolError) {
      return try endpoint.send(event)
    } catch {
      throw ScenarioFailure("cannot be sent: \(error.description)")
    }
  }

  private func message(text: [UInt8], _ frames: Int) throws(ScenarioFailure) -> [UInt8] {
    guard let text = String(validating: text, as: UTF8.self) else {
      throw ScenarioFailure("\(Escaping.quoted(text, limit: 80)) is not UTF-8")
    }
    // Between characters: the parts of a text are text.
    let scalars = Array(text.unicodeScalars)
    var output: [UInt8] = []
    for index in 0..<frames {
      let part = scalars[(scalars.count * index / frames)..<(scalars.count * (index + 1) / frames)]
      var string = String.UnicodeScalarView()
      string.append(contentsOf: part)
      let isLast = index + 1 == frames
      output += try bytes(.textMessage(TextMessage(data: String(string), messageFinished: isLast)))
    }
    return output
  }

  private func message(binary: [UInt8], _ frames: Int) throws(ScenarioFailure) -> [UInt8] {
    var output: [UInt8] = []
    for index in 0..<frames {
      let part = binary[(binary.count * index / frames)..<(binary.count * (index + 1) / frames)]
      output += try bytes(
        .bytesMessage(BytesMessage(data: Bytes(part), messageFinished: index + 1 == frames))
      )
    }
    return output
  }
}
