// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A conversation with a sample, and how it has to go.
struct Case {
  let name: String
  let peer: () throws -> Peer
  /// What the peer hears.
  let heard: [String]
  /// What the sample prints.
  var printed: [String] = []
  /// Whether the sample throws the peer's violation of the handshake: all that a client can do about it.
  var isRemoteError = false
}

// MARK: Servers, for the client

/// A server that does `then` with what the client says, and what an honest one does with the rest.
private func server(_ then: @escaping Peer.Answer) -> () throws -> Peer {
  { try Peer(.server, answer: then) }
}

/// A server that answers the client's text.
private func server(onText: @escaping (Peer) throws -> Void) -> () throws -> Peer {
  server { event, peer in
    if case .textMessage = event { try onText(peer) } else { try peer.answerHonestly(event) }
  }
}

/// A server that answers the request.
private func server(onRequest: @escaping (Peer) throws -> Void) -> () throws -> Peer {
  server { event, peer in
    if case .request = event { try onRequest(peer) } else { try peer.answerHonestly(event) }
  }
}

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

func clientCases() -> [Case] {
  [
    Case(
      name: "the echo comes",
      peer: server(onText: { try $0.send(TextMessage(data: "Hello")) }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the echo comes in two fragments",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hel", messageFinished: false))
        try $0.send(TextMessage(data: "lo"))
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the echo comes in fragments, one of them empty, with a ping between",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hel", messageFinished: false))
        try $0.send(Ping(payload: "still there?"))
        try $0.send(TextMessage(data: "lo", messageFinished: false))
        try $0.send(TextMessage(data: ""))
      }),
      heard: ["request /", "text Hello", "pong still there?", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "a ping comes before the echo",
      peer: server(onText: {
        try $0.send(Ping(payload: "first"))
        try $0.send(TextMessage(data: "Hello"))
      }),
      heard: ["request /", "text Hello", "pong first", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "a ping comes after the echo, when the client's Close is under way",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hello"))
        try $0.send(Ping(payload: "late"))
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the echo comes twice",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hello"))
        try $0.send(TextMessage(data: "Hello"))
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "bytes and a pong that nobody asked for come first",
      peer: server(onText: {
        try $0.send(BytesMessage(data: [1, 2, 3]))
        try $0.send(Pong())
        try $0.send(TextMessage(data: "Hello"))
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the server closes first",
      peer: server(onText: { try $0.send(CloseConnection(code: .goingAway, reason: "maintenance")) }),
      heard: ["request /", "text Hello", "close 1001"]
    ),
    Case(
      name: "the server closes first, without a code",
      peer: server(onText: { try $0.send(CloseConnection(code: .noStatusRcvd)) }),
      heard: ["request /", "text Hello", "close 1005"]
    ),
    Case(
      name: "the server closes with its acceptance",
      peer: server(onRequest: {
        try $0.send(AcceptConnection())
        try $0.send(CloseConnection(code: .tryAgainLater))
      }),
      heard: ["request /", "text Hello", "close 1013"]
    ),
    Case(
      name: "both close at once",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hello"))
        try $0.send(CloseConnection(code: .goingAway))
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the server rejects",
      peer: server(onRequest: { try $0.send(RejectConnection(statusCode: 403)) }),
      heard: ["request /"],
      printed: ["refused with 403"]
    ),
    Case(
      name: "the server rejects with a body in parts",
      peer: server(onRequest: {
        try $0.send(RejectConnection(statusCode: 503, hasBody: true))
        try $0.send(RejectData(data: "not ", bodyFinished: false))
        try $0.send(RejectData(data: "today"))
      }),
      heard: ["request /"],
      printed: ["refused with 503"]
    ),
    Case(
      name: "the server rejects with a body that the end of the stream ends",
      peer: server(onRequest: {
        $0.send(raw: bytes("HTTP/1.1 404 Not Found\r\n\r\nnothing here"))
        $0.end()
      }),
      heard: ["request /"],
      printed: ["refused with 404"]
    ),
    Case(
      name: "the server accepts with a wrong key",
      peer: server(onRequest: {
        let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n"
        $0.send(raw: bytes("HTTP/1.1 101 Switching Protocols\r\n\(fields)\r\n"))
      }),
      heard: ["request /"],
      isRemoteError: true
    ),
    Case(
      name: "the server breaks the rules",
      peer: server(onText: { $0.send(raw: [0x81, 0x80, 0, 0, 0, 0]) }),
      heard: ["request /", "text Hello", "close 1002"]
    ),
    Case(
      name: "the server breaks the rules while it is closed",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hello"))
        $0.send(raw: [0xFF, 0x00])
        $0.end()
      }),
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(
      name: "the stream ends before the answer",
      peer: server(onRequest: { $0.end() }),
      heard: ["request /"],
      isRemoteError: true
    ),
    Case(
      name: "the stream ends when the connection is open",
      peer: server(onText: { $0.end() }),
      heard: ["request /", "text Hello"]
    ),
    Case(
      name: "the stream ends inside the echo",
      peer: server(onText: {
        try $0.send(TextMessage(data: "Hel", messageFinished: false))
        $0.end()
      }),
      heard: ["request /", "text Hello"]
    ),
    Case(
      name: "the stream ends in place of the server's Close",
      peer: server { event, peer in
        switch event {
        case .textMessage: try peer.send(TextMessage(data: "Hello"))
        case .closeConnection: peer.end()
        default: try peer.answerHonestly(event)
        }
      },
      heard: ["request /", "text Hello", "close 1000"],
      printed: ["Hello"]
    ),
    Case(name: "the README's server answers", peer: { try SampleServer() }, heard: [], printed: ["Hello"]),
  ]
}

// MARK: Clients, for the servers

/// A client that asks properly and goes on with `then` when it is accepted.
private func client(_ then: @escaping (Peer) throws -> Void) -> () throws -> Peer {
  {
    try Peer(.client, start: { try $0.send(chat) }) { event, peer in
      if case .acceptConnection = event { try then(peer) } else { try peer.answerHonestly(event) }
    }
  }
}

private let chat = Request(host: "localhost", target: "/chat", extensions: [PerMessageDeflate()])

/// A client that begins in its own way.
private func beginner(start: @escaping (Peer) throws -> Void) -> () throws -> Peer {
  { try Peer(.client, start: start) }
}

private let close = CloseConnection(code: .normalClosure)
private let fields = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade"]
private let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func serverCases() -> [Case] {
  [
    Case(
      name: "messages of every sort",
      peer: client {
        try $0.send(TextMessage(data: "Grüße, 世界"))
        try $0.send(BytesMessage(data: [0, 255]))
        try $0.send(TextMessage(data: ""))
        try $0.send(BytesMessage(data: [1], messageFinished: false))
        try $0.send(Ping(payload: "between"))
        try $0.send(BytesMessage(data: [2]))
        try $0.send(close)
      },
      heard: [
        "accept", "text Grüße, 世界", "bytes [0, 255]", "text ", "pong between", "bytes [1, 2]", "close 1000",
      ]
    ),
    Case(
      name: "a Close at once",
      peer: client { try $0.send(CloseConnection(code: CloseReason(4000), reason: "bye")) },
      heard: ["accept", "close 4000"]
    ),
    Case(
      name: "a Close without a code",
      peer: client { try $0.send(CloseConnection(code: .noStatusRcvd)) },
      heard: ["accept", "close 1005"]
    ),
    Case(
      name: "bytes behind the Close",
      peer: client {
        try $0.send(close)
        $0.send(raw: [0x81, 0x81, 0, 0, 0, 0, 0x61])
      },
      heard: ["accept", "close 1000"]
    ),
    Case(
      name: "a frame that isn't masked",
      peer: client { $0.send(raw: [0x81, 0x01, 0x61]) },
      heard: ["accept", "close 1002"]
    ),
    Case(
      name: "text that isn't UTF-8",
      peer: client { $0.send(raw: [0x81, 0x81, 0, 0, 0, 0, 0xFF]) },
      heard: ["accept", "close 1007"]
    ),
    Case(
      name: "a message behind the request",
      peer: beginner(start: {
        try $0.send(Request(host: "localhost", target: "/"))
        $0.send(raw: [0x81, 0x81, 0, 0, 0, 0, 0x61])
        $0.send(raw: [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
      }),
      heard: ["accept", "text a", "close 1000"]
    ),
    Case(
      name: "a request that isn't one",
      peer: beginner(start: { $0.send(head: "hello") }),
      heard: ["HTTP/1.1 400 Bad Request"]
    ),
    Case(
      name: "a request without a key",
      peer: beginner(start: {
        $0.send(head: "GET / HTTP/1.1", fields[0], fields[1], fields[2], "Sec-WebSocket-Version: 13")
      }),
      heard: ["HTTP/1.1 400 Bad Request"]
    ),
    Case(
      name: "a request of another version",
      peer: beginner(start: {
        $0.send(head: "GET / HTTP/1.1", fields[0], fields[1], fields[2], key, "Sec-WebSocket-Version: 8")
      }),
      heard: ["HTTP/1.1 426 Upgrade Required"]
    ),
    Case(name: "the stream ends at once", peer: beginner(start: { $0.end() }), heard: []),
    Case(
      name: "the stream ends inside the request",
      peer: beginner(start: {
        $0.send(raw: bytes("GET / HT"))
        $0.end()
      }),
      heard: []
    ),
    Case(name: "the stream ends when the connection is open", peer: client { $0.end() }, heard: ["accept"]),
    Case(
      name: "the stream ends inside a message",
      peer: client {
        $0.send(raw: [0x01, 0x81, 0, 0, 0, 0, 0x61])
        $0.end()
      },
      heard: ["accept"]
    ),
  ]
}
