// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import InMemoryTracing
import NIOCore
import Testing
import Tracing
import WSProto

@testable import WSProtoNIO

@Suite("The span of a handshake", .timeLimit(.minutes(5)))
struct HandshakeSpanTests {
  /// The attributes that are compared, as text.
  private func shown(_ span: FinishedInMemorySpan) -> [String: String] {
    var shown: [String: String] = [:]
    span.attributes.forEach { shown[$0] = "\($1.toSpanAttribute())" }
    return shown
  }

  @Test(
    "has the path without its query, the client, the version, and the status of the answer, whatever that is"
  )
  func attributes() async throws {
    let tracer = InMemoryTracer()
    var options = WebSocketServerOptions()
    options.tls = try TestCertificate.first.server
    options.tracer = tracer
    options.decide = { request in
      if request.target == "/wrong" { throw TestFailure("no") }
      return .accept()
    }
    try await withServer(options) { address, _ async throws in
      for lines in [
        ["/chat?token=secret", "X-Nothing: 1"], ["/chat", "Origin: null"], ["/wrong", "X-Nothing: 1"],
      ] {
        try await TestClient.connect(to: address, tls: TestCertificate.first.client([])) { client in
          try await client.write(handshake(lines[1]).replacing("GET / ", with: "GET \(lines[0]) "))
          _ = try await client.readResponse()
        }
      }
      try await HTTP2TestClient.connect(to: address) { client in
        try await client.open { stream async throws in #expect(try await stream.status() == 200) }
      }
    }
    let spans = tracer.finishedSpans
    #expect(spans.map(\.operationName) == Array(repeating: "websocket handshake", count: 4))
    #expect(
      spans.map { shown($0)["url.path"] ?? "" }.map { $0.contains("secret") } == [false, false, false, false]
    )
    let expected = [("1.1", "101"), ("1.1", "403"), ("1.1", "500"), ("2", "200")]
    for (span, (version, status)) in zip(spans, expected) {
      let attributes = shown(span)
      #expect(attributes["network.protocol.version"]?.contains(version) == true)
      #expect(attributes["http.response.status_code"]?.contains(status) == true)
      #expect(attributes["client.address"]?.contains("127.0.0.1") == true)
      #expect((span.status?.code == .error) == (status == "500"))
    }
  }

  @Test("continues the trace that the request names, and decide runs inside of it")
  func trace() async throws {
    let tracer = InMemoryTracer()
    let trace = Promised<String?>()
    var options = WebSocketServerOptions()
    options.tracer = tracer
    options.decide = { _ in
      trace.resume(with: .success(InstrumentationContext.current?.inMemorySpanContext?.traceID))
      return .accept()
    }
    try await withServer(options) { address, _ in
      try await TestClient.connect(to: address) { client in
        try await client.write(handshake("\(InMemoryTracer.traceIDKey): t", "\(InMemoryTracer.spanIDKey): s"))
        _ = try await client.readResponse()
      }
    }
    #expect(try await trace.value() == "t")
    #expect(tracer.finishedSpans.map(\.traceID) == ["t"])
    #expect(tracer.finishedSpans.map(\.parentSpanID) == ["s"])
  }
}
#endif
