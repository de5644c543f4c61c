// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Passes the HTTP/1.1 messages of a connection through the proxy, up to the response that opens a WebSocket. Only the
/// heads of requests are changed.
struct HTTPRelay {
  /// The result of a call.
  enum Outcome {
    /// All input has been read. An incomplete head is kept until its end arrives.
    case needsInput
    /// The input has to wait until the request for a WebSocket is answered.
    case waiting
    /// Frames follow.
    case upgraded(PayloadCoding)
    /// This isn't HTTP/1.1 any more. Everything passes unchanged.
    case notHTTP
  }

  private enum Place {
    case head
    case body(HTTPBody)
    /// A request for a WebSocket has passed.
    case awaitingAnswer
  }

  private struct Stream {
    var place = Place.head
    /// The head so far.
    var head: [UInt8] = []
    var search = HeadEnd()
  }

  private struct Asked {
    var isHEAD: Bool
    var isForWebSocket: Bool
  }

  private let target: ProxyTarget
  private var request = Stream()
  private var response = Stream()
  /// Requests that are not answered yet.
  private var asked: [Asked] = []
  private var judge = HandshakeJudge()
  /// Browsers send no second request before the first is answered.
  private static let maxAsked = 256
  private static let maxHead = 64 << 10

  init(_ target: ProxyTarget) { self.target = target }

  /// Reads bytes from the front of `input`, and calls `each` with the bytes to pass on.
  mutating func receive(
    _ input: inout ArraySlice<UInt8>,
    from sender: Direction,
    _ each: ([UInt8]) -> Void
  ) -> Outcome {
    while !input.isEmpty {
      let outcome =
        sender == .fromClient ? takeRequest(&input, each) : takeResponse(&input, each)
      if let outcome { return outcome }
    }
    return .needsInput
  }

  /// Takes the incomplete head of a stream that has ended, or isn't HTTP any more.
  mutating func takeKept(of sender: Direction) -> [UInt8] {
    if sender == .fromClient {
      defer { request.head = [] }
      return request.head
    }
    defer { response.head = [] }
    return response.head
  }

  private mutating func takeRequest(_ input: inout ArraySlice<UInt8>, _ each: ([UInt8]) -> Void) -> Outcome? {
    switch request.place {
    case .awaitingAnswer: return .waiting
    case .body(var body): return Self.pass(&body, &input, &request, each)
    case .head:
      guard asked.count < Self.maxAsked else { return .notHTTP }
      let result = Self.takeHead(&input, &request)
      guard case .complete(let head) = result else { return result == .unfinished ? nil : .notHTTP }
      let record = HandshakeRecord(head[...])
      let method = record.startLine.prefix { $0 != 0x20 }
      let body = HTTPBody(ofRequest: record)
      let isForWebSocket = WebSocketRequest.isLikely(head[...]) && body.isFinished
      // HTTP/1.1 ends after these.
      if method.elementsEqual("CONNECT".utf8) || method.elementsEqual("PRI".utf8) {
        request.head = head
        return .notHTTP
      }
      let changed = target.rewrite(head)
      each(changed)
      asked.append(Asked(isHEAD: method.elementsEqual("HEAD".utf8), isForWebSocket: isForWebSocket))
      if isForWebSocket {
        judge = HandshakeJudge()
        _ = judge.read(request: changed)
        request.place = .awaitingAnswer
      } else {
        request.place = .body(body)
      }
      return nil
    }
  }

  private mutating func takeResponse(_ input: inout ArraySlice<UInt8>, _ each: ([UInt8]) -> Void) -> Outcome?
  {
    switch response.place {
    case .awaitingAnswer: return nil
    case .body(var body): return Self.pass(&body, &input, &response, each)
    case .head:
      let result = Self.takeHead(&input, &response)
      guard case .complete(let head) = result else { return result == .unfinished ? nil : .notHTTP }
      let record = HandshakeRecord(head[...])
      guard let status = WebSocketRequest.status(record) else {
        response.head = head
        return .notHTTP
      }
      each(head)
      let first = asked.first
      if status == 101 { return upgrade(head, first) }
      if status >= 200, !asked.isEmpty {
        asked.removeFirst()
        // Refused: the client may ask for something else.
        if first?.isForWebSocket == true { request.place = .head }
      }
      response.place = .body(
        HTTPBody(ofResponse: record, status: status, isAnswerToHEAD: first?.isHEAD == true)
      )
      return nil
    }
  }

  private func upgrade(_ head: [UInt8], _ asked: Asked?) -> Outcome {
    guard asked?.isForWebSocket == true else { return .notHTTP }
    switch judge.read(response: head) {
    case .accepted(_, let coding): return .upgraded(coding)
    // Frames follow anyway, but the meaning of their reserved bits is unknown.
    case .rejected, .informational, .illegal, .unjudged: return .upgraded(.unknownExtension)
    }
  }

  // MARK: Heads and bodies

  private enum Head: Equatable {
    case complete([UInt8])
    case unfinished
    case notHTTP
  }

  private static func takeHead(_ input: inout ArraySlice<UInt8>, _ stream: inout Stream) -> Head {
    stream.head += input
    // Empty lines before a request are allowed (RFC 9112 §2.2); each other first byte is a letter.
    let first = stream.head.first { $0 != 0x0D && $0 != 0x0A }
    input = []
    if let first, !(0x41...0x5A ~= first) { return .notHTTP }
    guard let end = stream.search.find(in: stream.head) else { return .unfinished }
    let head = Array(stream.head[..<end])
    guard head.count <= maxHead, head.hasSuffix([0x0A, 0x0D, 0x0A]) || head.hasSuffix([0x0A, 0x0A]) else {
      return .notHTTP
    }
    input = ArraySlice(stream.head[end...])
    stream.head = []
    stream.search = HeadEnd()
    return .complete(head)
  }

  private static func pass(
    _ body: inout HTTPBody,
    _ input: inout ArraySlice<UInt8>,
    _ stream: inout Stream,
    _ each: ([UInt8]) -> Void
  ) -> Outcome? {
    let count = body.take(input)
    if count > 0 { each(Array(input.prefix(count))) }
    input = input.dropFirst(count)
    stream.place = body.isFinished ? .head : .body(body)
    return body.isMalformed ? .notHTTP : nil
  }
}

extension [UInt8] {
  fileprivate func hasSuffix(_ end: [UInt8]) -> Bool { suffix(end.count).elementsEqual(end) }
}
