// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import Testing
import WSProto
import WSProtoNIO

/// Why there is no connection: each cause by its name.
@Suite(.timeLimit(.minutes(5))) struct ClientFailureTests {
  /// The error of a client that connects.
  private func failure(
    _ url: String,
    _ options: WebSocketClientOptions = WebSocketClientOptions()
  ) async -> WebSocketClientError? {
    do {
      try await WebSocketClient.connect(to: url, options: options) { _ in }
      return nil
    } catch {
      return error as? WebSocketClientError
    }
  }

  /// The error of a client whose server replies so.
  private func failure(
    _ reply: ScriptedServer.Reply,
    _ options: WebSocketClientOptions = WebSocketClientOptions()
  ) async throws -> WebSocketClientError? {
    try await ScriptedServer.run(reply: { _, _ in reply }) { server in
      await failure("ws://127.0.0.1:\(server.port)/", options)
    }
  }

  @Test("a URL, or an option, that is not legal is refused before anything is connected to")
  func local() async throws {
    #expect(await failure("example.com") == .url(.noScheme))
    #expect(await failure("wss://bücher.example") == .url(.host("bücher.example", .notASCII)))
    var options = WebSocketClientOptions()
    options.extraHeaders[.upgrade] = "h2c"
    for reply in [ScriptedServer.Reply.open()] {
      guard case .request(let error) = try await failure(reply, options) else {
        Issue.record("no error")
        return
      }
      #expect(error.violation == .head && error.message.contains("Upgrade"))
    }
    options = WebSocketClientOptions()
    options.subprotocols = ["a b"]
    guard case .request(let error) = try await failure(.open(), options) else {
      Issue.record("no error")
      return
    }
    #expect(error.violation == .subprotocol)
  }

  @Test("a port where nobody listens, a name that nobody knows, and a host that nothing leads to")
  func unreachable() async throws {
    let port = ScriptedServer.unusedPort()
    guard case .refused(let endpoint) = await failure("ws://127.0.0.1:\(port)/") else {
      Issue.record("not refused")
      return
    }
    #expect(endpoint.port == port && !endpoint.isProxy)
    guard case .refused = await failure("ws://localhost:\(port)/") else {
      Issue.record("not refused by name")
      return
    }
    guard case .unresolved(let unknown, _) = await failure("ws://name.invalid/") else {
      Issue.record("resolved")
      return
    }
    #expect(unknown.host.name == "name.invalid")
    // Nobody may connect to all hosts at once.
    guard case .unreachable(let nowhere, _) = await failure("ws://255.255.255.255:81/") else {
      Issue.record("reached")
      return
    }
    #expect(nowhere.port == 81)
  }

  @Test("a refusal carries status, fields and the first KiB of the body, however it is framed")
  func refusals() async throws {
    let long = String(repeating: "x", count: 3000)
    let table: [(ScriptedServer.Reply, Int, String, Bool)] = [
      (.bytes("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-A: b\r\n\r\nnone"), 404, "none", false),
      (.bytes("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nX-A: b\r\n\r\n"), 503, "", false),
      (.last("HTTP/1.1 403 Forbidden\r\nX-A: b\r\n\r\nno entry"), 403, "no entry", false),
      (
        .bytes(
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
        ), 200, "abc", false
      ),
      (
        .bytes("HTTP/1.1 500 No\r\nContent-Length: 3000\r\nX-A: b\r\n\r\n\(long)"), 500,
        String(long.prefix(1024)), true
      ),
      (.bytes("HTTP/1.1 500 No\r\nX-A: b\r\n\r\n\(long)"), 500, String(long.prefix(1024)), true),
      // The status counts, whatever is wrong with the body.
      (.last("HTTP/1.1 502 No\r\nContent-Length: 9\r\nX-A: b\r\n\r\nabc"), 502, "abc", true),
      (.bytes("HTTP/1.1 502 No\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n1\r\na\r\nzz"), 502, "a", true),
      (.bytes("HTTP/1.1 999 Denied\r\nContent-Length: 0\r\nX-A: b\r\n\r\n"), 999, "", false),
    ]
    for (reply, status, body, isCut) in table {
      guard case .refusal(let refusal) = try await failure(reply) else {
        Issue.record("no refusal \(status)")
        continue
      }
      #expect(refusal.status == status && refusal.text == body && refusal.isBodyCut == isCut)
      #expect(refusal.fields[try #require(HTTPField.Name("X-A"))] == "b")
    }
  }

  @Test("Retry-After comes with the refusal, and what may pass is told from what won't")
  func retryAfter() async throws {
    let reply = ScriptedServer.Reply.bytes(
      "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n"
    )
    let busy = try await failure(reply)
    #expect(busy?.reconnectCause == .status(503, retryAfter: .seconds(7)))
    let port = ScriptedServer.unusedPort()
    #expect(await failure("ws://127.0.0.1:\(port)/")?.reconnectCause == .network)
    #expect(await failure("ftp://a/")?.reconnectCause == .final)
  }

  @Test(
    "an answer that is not legal is an error that says why (RFC 6455 §4.1)",
    arguments: [
      "SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n", "\u{15}\u{3}\u{1}\r\n\r\n",
    ]
  )
  func illegalAnswers(answer: String) async throws {
    guard case .handshake(let error) = try await failure(.bytes(answer)) else {
      Issue.record("no error")
      return
    }
    #expect(!error.message.isEmpty)
  }

  @Test("a head beyond the limit is refused")
  func longHeads() async throws {
    let long = "HTTP/1.1 101 S\r\nX: " + String(repeating: "a", count: 17_000) + "\r\n\r\n"
    guard case .handshake(let error) = try await failure(.bytes(long)) else {
      Issue.record("no error")
      return
    }
    #expect(error.description.contains("head"))
  }

  @Test("a server that ends the transport, or says nothing, is found")
  func silence() async throws {
    #expect(try await failure(.last("")) == .disconnected(.handshake, nil))
    #expect(try await failure(.last("HTTP/1.1 101 Swi")) == .disconnected(.handshake, nil))
    var options = WebSocketClientOptions()
    options.socket.timeouts.opening = .milliseconds(100)
    #expect(try await failure(.bytes(""), options) == .timedOut(.handshake, limit: .milliseconds(100)))
    #expect(
      try await failure(.bytes("HTTP/1.1 101 Swi"), options)
        == .timedOut(.handshake, limit: .milliseconds(100))
    )
  }

  @Test("connecting has a limit of its own")
  func connectTimeout() async throws {
    var options = WebSocketClientOptions()
    options.connectTimeout = .zero
    try await ScriptedServer.run { server in
      let error = await failure("ws://127.0.0.1:\(server.port)/", options)
      #expect(error == .timedOut(.connecting, limit: .zero))
    }
    // Beyond what a clock can tell.
    options.connectTimeout = .seconds(Int64.max)
    options.socket.timeouts.opening = .seconds(Int64.max)
    #expect(try await failure(.open(), options) == nil)
  }
}
#endif
