// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The other end of a sample's connection: takes its bytes, notes what they say, and answers by a script.
class Peer {
  typealias Answer = (Event, Peer) throws -> Void

  /// What the sample is to read, by reads.
  var toRead: [[UInt8]] = []
  /// Whether nothing comes after that.
  fileprivate(set) var hasEnded = false
  /// What the sample has said, in words; parts of a message are put together.
  private(set) var heard: [String] = []

  private let endpoint: WSConnection
  private let answer: Answer
  private var speaksHTTP = false
  private var text = ""
  private var bytes: [UInt8] = []

  init(
    _ role: ConnectionType,
    start: (Peer) throws -> Void = { _ in },
    answer: @escaping Answer = { try $1.answerHonestly($0) }
  ) throws {
    endpoint = WSConnection(role)
    self.answer = answer
    try start(self)
  }

  func take(_ bytes: [UInt8]) throws {
    if speaksHTTP { return heard.append(String(decoding: bytes.prefix { $0 != 0x0D }, as: UTF8.self)) }
    try endpoint.receiveData(bytes)
    for event in endpoint.events() {
      note(event)
      try answer(event, self)
    }
    // A server ends the transport once both Closes are there (RFC 6455 §7.1.1).
    if endpoint.state == .closed { hasEnded = true }
  }

  func send(_ event: some EventConvertible) throws { toRead.append(try endpoint.send(event)) }

  /// Bytes such as an endpoint doesn't send.
  func send(raw bytes: [UInt8]) { toRead.append(bytes) }

  /// A head of its own, lines without their ends; what is answered is noted by its first line.
  func send(head lines: String...) {
    speaksHTTP = true
    toRead.append(Array((lines.map { $0 + "\r\n" }.joined() + "\r\n").utf8))
  }

  /// Ends the transport, behind what was sent.
  func end() { hasEnded = true }

  func answerHonestly(_ event: Event) throws {
    switch event {
    case .request: try send(AcceptConnection(extensions: [PerMessageDeflate()]))
    case .ping(let ping): try send(ping.response())
    case .closeConnection(let close) where endpoint.state == .remoteClosing: try send(close.response())
    default: break
    }
  }

  private func note(_ event: Event) {
    switch event {
    case .request(let request): heard.append("request \(request.target)")
    case .acceptConnection: heard.append("accept")
    case .rejectConnection(let reject): heard.append("reject \(reject.statusCode)")
    case .rejectData: break
    case .textMessage(let message):
      text += message.data
      if message.messageFinished {
        heard.append("text \(text)")
        text = ""
      }
    case .bytesMessage(let message):
      bytes += message.data
      if message.messageFinished {
        heard.append("bytes \(bytes)")
        bytes = []
      }
    case .closeConnection(let close): heard.append("close \(close.code.rawValue)")
    case .ping(let ping): heard.append("ping \(String(decoding: ping.payload, as: UTF8.self))")
    case .pong(let pong): heard.append("pong \(String(decoding: pong.payload, as: UTF8.self))")
    }
  }
}

/// The README's server as the peer of its client.
final class SampleServer: Peer {
  private let server = WSConnection(.server)

  init() throws { try super.init(.server) }

  override func take(_ bytes: [UInt8]) throws {
    let output = try echo(bytes, on: server)
    if !output.isEmpty { toRead.append(output) }
    if server.state == .closed { end() }
  }
}
