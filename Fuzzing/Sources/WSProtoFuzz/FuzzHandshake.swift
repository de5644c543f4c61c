// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// The handshake of either role: any bytes, in one piece and in others, have the same outcome.
enum FuzzHandshake {
  private struct Trace: Equatable {
    /// Rejections' bodies are joined: parts depend on the cuts.
    var events: [Event] = []
    var body: [UInt8] = []
    var error: String?
    var hint: Event?
    var states: [String] = []
    var sent: [UInt8] = []
  }

  private struct Setting {
    var role: ConnectionType
    var limits = Limits()
    var answers: Bool
    var split: UInt8

    init(_ input: inout Input) {
      let first = input.byte()
      split = input.byte()
      role = first & 1 == 0 ? .server : .client
      answers = first & 2 == 0
      if first & 0xC == 0xC { limits.maxHeadBytes = 64 + Int(first >> 4) * 16 }
      if first & 0xC == 0x8 { limits.maxHeadFields = Int(first >> 4) }
    }
  }

  static func run(_ input: inout Input) {
    let setting = Setting(&input)
    let stream = input.rest
    let whole = trace(setting, cut(stream, by: 0))
    let inCuts = trace(setting, cut(stream, by: setting.split))
    if whole != inCuts {
      disagree(
        "handshake",
        [
          ("setting", setting), ("stream", stream), ("text", String(decoding: stream, as: UTF8.self)),
          ("whole", whole), ("cut", inCuts),
        ]
      )
    }
  }

  private static func trace(_ setting: Setting, _ pieces: [ArraySlice<UInt8>]) -> Trace {
    var trace = Trace()
    let configuration = Configuration(
      delivery: .wholeMessages,
      limits: setting.limits,
      // One nonce for all, so that the seeds hold the right token.
      randomSource: RandomSource { buffer in for index in buffer.indices { buffer[index] = 7 } }
    )
    let handshake = H11Handshake(setting.role, configuration: configuration)
    func send(_ event: some EventConvertible) {
      do { trace.sent += try handshake.send(event) } catch {
        disagree("a legal event was refused", [("event", event), ("error", error)])
      }
    }
    if setting.role == .client { send(request) }
    func take() {
      while let event = handshake.nextEvent() ?? handshake.connection?.nextEvent() {
        if case .rejectData(let part) = event {
          trace.body += Array(part.data)
          if part.bodyFinished { trace.states.append("body finished") }
          continue
        }
        trace.events.append(event)
        if case .request(let received) = event {
          if setting.answers {
            send(
              AcceptConnection(subprotocol: received.subprotocols.first, extensions: [PerMessageDeflate()])
            )
          } else {
            send(RejectConnection())
          }
        }
      }
    }
    func ended() -> Bool {
      trace.error != nil || handshake.state == .closed
        || handshake.connection.map { $0.state != .open } == true
    }
    for piece in pieces where !ended() {
      do throws(ProtocolError) {
        if let connection = handshake.connection {
          try? connection.receiveData(piece)
        } else {
          try handshake.receiveData(piece)
        }
      } catch {
        guard case .remote(let remote) = error else {
          disagree("an error of the caller's", [("error", error), ("state", handshake.state)])
        }
        trace.error = remote.description
        trace.hint = remote.eventHint
      }
      take()
    }
    if let hint = trace.hint { send(hint) }
    if setting.role == .server, trace.error != nil, trace.hint == nil { fatalError("no hint for the server") }
    if trace.error == nil {
      do throws(ProtocolError) {
        if let connection = handshake.connection {
          try connection.receiveEndOfStream()
        } else {
          try handshake.receiveEndOfStream()
        }
      } catch { trace.error = "at the end: \(error)" }
      take()
    }
    trace.states.append("\(handshake.state) \(handshake.connection.map { "\($0.state)" } ?? "-")")
    return trace
  }

  private static var request: Request {
    Request(host: "a", target: "/", extensions: [PerMessageDeflate()], subprotocols: ["chat", "v2"])
  }

  // MARK: Seeds

  static func seeds() -> [[UInt8]] {
    let key = generateAcceptToken(makeNonce())
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    let heads = [
      (0, "GET / HTTP/1.1\r\nHost: a\r\n\(upgrade)Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
      (1, "HTTP/1.1 101 Switching Protocols\r\n\(upgrade)Sec-WebSocket-Accept: \(key)\r\n"),
    ]
    let fields = [
      "Sec-WebSocket-Protocol: chat\r\n", "Sec-WebSocket-Protocol: v2, chat\r\n",
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15\r\n",
      "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n", "X: é\r\n",
      "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "Sec-WebSocket-Extensions:\r\n",
      "X: a\r\n b\r\n",
      "Sec-WebSocket-Version: 8\r\n", "Upgrade: h2c\r\n", "Connection: close\r\n", "Host: b\r\n",
    ]
    var seeds: [[UInt8]] = []
    for (role, head) in heads {
      let version = role == 0 ? "Sec-WebSocket-Version: 13\r\n" : ""
      for (number, field) in ([""] + fields).enumerated() {
        // A ping behind the head, masked for a server.
        let ping: [UInt8] = role == 0 ? [0x89, 0x81, 0, 0, 0, 0, 0x61] : [0x89, 0x01, 0x61]
        seeds.append(
          [UInt8(role), UInt8(truncatingIfNeeded: number * 25)] + Array("\(head)\(version)\(field)\r\n".utf8)
            + ping
        )
        seeds.append([UInt8(role) | 0xC, 7] + Array("\(head)\(version)\(field)\r\n".utf8))
      }
    }
    for rejection in [
      "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No\r\n\r\nuntil the end",
      "HTTP/1.1 401 \r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 999 Denied\r\nX: a;\r\n b\r\n \r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ] {
      for split: UInt8 in [1, 7, 100, 220] { seeds.append([1, split] + Array(rejection.utf8)) }
    }
    return seeds
  }

  /// The key that the constant random source leads to.
  private static func makeNonce() -> String {
    let handshake = H11Handshake(
      .client,
      configuration: Configuration(
        randomSource: RandomSource { buffer in for index in buffer.indices { buffer[index] = 7 } }
      )
    )
    guard let head = try? handshake.send(request) else { return "" }
    let text = String(decoding: head, as: UTF8.self)
    for line in text.split(separator: "\r\n") where line.hasPrefix("Sec-WebSocket-Key: ") {
      return String(line.dropFirst(19))
    }
    return ""
  }
}
