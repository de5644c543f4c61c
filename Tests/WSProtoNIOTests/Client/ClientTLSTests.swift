// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL
import Testing
import WSProto

@testable import WSProtoNIO

/// `wss:`: whose certificates are accepted, and what the client shows of itself.
@Suite(.timeLimit(.minutes(5))) struct ClientTLSTests {
  private func trusting() throws -> WebSocketClientOptions {
    var options = WebSocketClientOptions()
    options.tls.roots = .certificates([try TestCertificates.certificate(TestCertificates.root)])
    return options
  }

  /// The error of a client that connects, or what its closure got back.
  private func outcome(_ url: String, _ options: WebSocketClientOptions) async throws -> Result<
    String?, WebSocketClientError
  > {
    do {
      return .success(
        try await WebSocketClient.connect(to: url, options: options) { socket in
          try await socket.send("hello")
          var messages = socket.messages.makeAsyncIterator()
          return try await messages.next()?.text
        }
      )
    } catch let error as WebSocketClientError {
      return .failure(error)
    }
  }

  private func echoed(_ url: String, _ options: WebSocketClientOptions) async throws -> String? {
    try await outcome(url, options).get()
  }

  private func isCertificateFault(_ outcome: Result<String?, WebSocketClientError>) -> Bool {
    if case .failure(.certificate) = outcome { true } else { false }
  }

  @Test("a certificate of a root that is trusted, for the URL's name or address, is accepted")
  func trusted() async throws {
    let options = try trusting()
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      let byName = try await echoed("wss://localhost:\(server.port)/", options)
      #expect(byName == "hello")
      #expect(try await echoed("wss://127.0.0.1:\(server.port)/", options) == "hello")
      var named = options
      named.tls.serverName = "example.com"
      #expect(try await echoed("wss://127.0.0.1:\(server.port)/", named) == "hello")
      named.tls.serverName = "127.0.0.1"
      #expect(try await echoed("wss://localhost:\(server.port)/", named) == "hello")
    }
  }

  @Test("an unknown root and a wrong name are faults of the certificate, and final")
  func untrusted() async throws {
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      let unknown = try await outcome("wss://localhost:\(server.port)/", WebSocketClientOptions())
      #expect(isCertificateFault(unknown))
      if case .failure(let error) = unknown { #expect(error.reconnectCause == .final) }
      var misnamed = try trusting()
      misnamed.tls.serverName = "other.example"
      #expect(isCertificateFault(try await outcome("wss://localhost:\(server.port)/", misnamed)))
      misnamed.tls.serverName = "127.0.0.2"
      #expect(isCertificateFault(try await outcome("wss://127.0.0.1:\(server.port)/", misnamed)))
      #expect(server.log.told.isEmpty)
    }
  }

  @Test(
    "a certificate's name is the server's, or has it among its wildcard's (RFC 9525 §6.3)",
    arguments: [
      ("example.com", "example.com", true), ("EXAMPLE.com", "example.com", true),
      ("example.com", "a.example.com", false),
      ("a.example.com", "example.com", false), ("*.example.com", "a.example.com", true),
      ("*.example.com", "a.b.example.com", false), ("*.example.com", "example.com", false),
      ("*.example.com", ".example.com", false), ("*.com", "example.com", false), ("*", "example", false),
      ("a*.example.com", "ab.example.com", false), ("*a.example.com", "ba.example.com", false),
      ("*.*.com", "a.b.com", false), ("", "", false), ("example.com.", "example.com", false),
      ("exam[le.com", "exam{le.com", false), ("example.com\0.evil.example", "example.com", false),
    ]
  )
  func names(presented: String, name: String, matches: Bool) {
    #expect(ServerIdentity.matches(Array(presented.utf8)[...], Array(name.utf8)[...]) == matches)
  }

  @Test("any certificate is accepted by those who ask for it by name")
  func insecure() async throws {
    var options = WebSocketClientOptions()
    options.tls = .insecure
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      let answer = try await echoed("wss://localhost:\(server.port)/", options)
      #expect(answer == "hello")
    }
  }

  @Test("a server that wants a certificate of the client's gets it")
  func clientCertificate() async throws {
    let options = try trusting()
    try await ScriptedServer.run(tls: try TestCertificates.serverContext(wantsClient: true)) { server in
      let without = try await outcome("wss://localhost:\(server.port)/", options)
      switch without {
      case .failure(.tls), .failure(.disconnected): break
      default: Issue.record("\(without)")
      }
      var identified = options
      identified.tls.certificateChain = [
        .certificate(try TestCertificates.certificate(TestCertificates.client))
      ]
      identified.tls.privateKey = .privateKey(try TestCertificates.key(TestCertificates.clientKey))
      #expect(try await echoed("wss://localhost:\(server.port)/", identified) == "hello")
    }
  }

  @Test("TLS with a server that has none, and none with one that has, are errors")
  func mismatch() async throws {
    let options = try trusting()
    try await ScriptedServer.run(first: [Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8)]) { server in
      let outcome = try await outcome("wss://localhost:\(server.port)/", options)
      guard case .failure(.tls(let text)) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      #expect(text.contains("WRONG_VERSION_NUMBER"))
    }
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      let outcome = try await outcome("ws://localhost:\(server.port)/", options)
      switch outcome {
      case .failure(.handshake), .failure(.disconnected(.handshake, _)): break
      default: Issue.record("\(outcome)")
      }
    }
  }

  @Test("the handshake of TLS has a limit")
  func silence() async throws {
    var options = try trusting()
    options.socket.timeouts.opening = .milliseconds(100)
    try await ScriptedServer.run(first: [[], []]) { server in
      let outcome = try await outcome("wss://localhost:\(server.port)/", options)
      #expect(outcome == .failure(.timedOut(.tls, limit: .milliseconds(100))))
    }
  }

  @Test("options that cannot be used are an error of their own")
  func options() async throws {
    var options = WebSocketClientOptions()
    options.tls.serverName = "a b"
    guard case .failure(.tlsOptions) = try await outcome("wss://localhost/", options) else {
      Issue.record("no error")
      return
    }
    options.tls.serverName = nil
    options.tls.certificateChain = [.certificate(try TestCertificates.certificate(TestCertificates.client))]
    options.tls.privateKey = .privateKey(try TestCertificates.key(TestCertificates.serverKey))
    try await ScriptedServer.run(tls: try TestCertificates.serverContext()) { server in
      guard case .failure(.tlsOptions) = try await outcome("wss://localhost:\(server.port)/", options) else {
        Issue.record("no error")
        return
      }
    }
  }
}
#endif
