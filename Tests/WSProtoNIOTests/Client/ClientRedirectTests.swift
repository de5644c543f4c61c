// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import Testing
import WSProto
import WSProtoNIO

/// Redirects, followed and not (RFC 6455 §4.1, RFC 9110 §15.4).
@Suite(.timeLimit(.minutes(5))) struct ClientRedirectTests {
  private static func redirect(_ location: String) -> ScriptedServer.Reply {
    .bytes("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 2\r\n\r\nmv")
  }

  @Test("a redirect within the origin is followed with all that the caller has given")
  func sameOrigin() async throws {
    var options = WebSocketClientOptions()
    options.extraHeaders[.cookie] = "a=b"
    options.host = "service.example"
    try await ScriptedServer.run(reply: { number, _ in number == 0 ? Self.redirect("/new?x") : .open() }) {
      server in
      try await WebSocketClient.connect(to: "ws://u:p@127.0.0.1:\(server.port)/old", options: options) {
        socket in
        #expect(socket.request.target == "/new?x")
      }
      let heads = server.log.told.filter { $0.hasPrefix("GET") }
      #expect(heads.count == 2)
      for head in heads {
        #expect(head.contains("Cookie: a=b\r\n") && head.contains("Host: service.example\r\n"))
        #expect(head.contains("Authorization: Basic dTpw\r\n"))
      }
    }
  }

  @Test("what is meant for one origin is not told to another")
  func otherOrigin() async throws {
    var options = WebSocketClientOptions()
    options.extraHeaders = [.cookie: "a=b", .authorization: "Bearer t", .userAgent: "test"]
    options.host = "service.example"
    try await ScriptedServer.run { other in
      let location = "http://127.0.0.1:\(other.port)/there"
      try await ScriptedServer.run(reply: { _, _ in Self.redirect(location) }) { server in
        let url = "ws://u:p@127.0.0.1:\(server.port)/"
        try await WebSocketClient.connect(to: url, options: options) { _ in }
        #expect(server.log.all[0].contains("Cookie: a=b"))
      }
      let head = other.log.all[0]
      #expect(head.hasPrefix("GET /there HTTP/1.1\r\nHost: 127.0.0.1:\(other.port)\r\n"))
      #expect(head.contains("User-Agent: test\r\n"))
      #expect(
        !head.contains("Cookie") && !head.contains("Authorization") && !head.contains("service.example")
      )
    }
  }

  @Test("a loop, a way that is too long, and one from TLS to none are errors with the refusal")
  func errors() async throws {
    func failure(
      _ options: WebSocketClientOptions = WebSocketClientOptions(),
      _ location: @escaping @Sendable (Int) -> String
    ) async throws -> (WebSocketClientError?, count: Int) {
      try await ScriptedServer.run(reply: { number, _ in Self.redirect(location(number)) }) { server in
        do {
          try await WebSocketClient.connect(to: "ws://127.0.0.1:\(server.port)/0", options: options) { _ in }
          return (nil, 0)
        } catch {
          return (error as? WebSocketClientError, server.log.told.count)
        }
      }
    }
    let loop = try await failure { "/\(1 - $0)" }
    guard case .redirect(.loop(let asked), let refusal) = loop.0 else {
      Issue.record("\(loop)")
      return
    }
    #expect(asked.map(\.target) == ["/0", "/1", "/0"] && refusal.status == 302 && refusal.text == "mv")
    #expect(loop.count == 2)

    let long = try await failure { "/\($0 + 1)" }
    guard case .redirect(.tooMany(10, _), _) = long.0 else {
      Issue.record("\(long)")
      return
    }
    #expect(long.count == 11)

    var options = WebSocketClientOptions()
    options.redirects = .refuse
    let refused = try await failure(options) { _ in "/1" }
    guard case .refusal(let refusal) = refused.0 else {
      Issue.record("\(refused)")
      return
    }
    #expect(refusal.fields[.location] == "/1" && refused.count == 1)
  }

  @Test("a redirect from TLS to a connection without is not followed")
  func downgrade() async throws {
    var options = WebSocketClientOptions()
    options.tls = .insecure
    let reply = Self.redirect("http://localhost:1/")
    try await ScriptedServer.run(tls: try TestCertificates.serverContext(), reply: { _, _ in reply }) {
      server in
      let error = await #expect(throws: WebSocketClientError.self) {
        try await WebSocketClient.connect(to: "wss://localhost:\(server.port)/", options: options) { _ in }
      }
      guard case .redirect(.insecure, _) = error else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
  }
}
#endif
