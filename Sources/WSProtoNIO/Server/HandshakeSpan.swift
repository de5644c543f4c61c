// SPDX-License-Identifier: Apache-2.0

#if NIO
import HTTPTypes
import NIOCore
import Tracing
import WSProto

/// The span of a handshake on a server, from the request to the decision on it.
struct HandshakeSpan: Sendable {
  private let span: any Span
  private let acceptance: Int

  /// Begins a span as part of the trace that the request belongs to. Returns `nil` if nobody traces.
  init?(_ tracer: any Tracer, _ request: Request, _ origin: HandshakeOrigin) {
    if tracer is NoOpTracer { return nil }
    var context = InstrumentationContext.topLevel
    tracer.extract(request.extraHeaders, into: &context, using: FieldExtractor())
    span = tracer.startAnySpan("websocket handshake", context: context, ofKind: .server)
    acceptance = origin.isStream ? 200 : 101
    span.attributes["network.protocol.version"] = origin.isStream ? "2" : "1.1"
    // Without the query, which may hold tokens.
    span.attributes["url.path"] = String(request.target.prefix { $0 != "?" })
    if let address = origin.client?.ipAddress { span.attributes["client.address"] = address }
  }

  /// Awaits the decision within the trace, and ends the span with it.
  func end(with decide: @Sendable () async -> WebSocketDecision) async -> WebSocketDecision {
    let decision = await InstrumentationContext.$current.withValue(span.context) { await decide() }
    end(with: decision)
    return decision
  }

  /// Ends the span with the decision.
  func end(with decision: WebSocketDecision) {
    switch decision {
    case .accept: span.attributes["http.response.status_code"] = acceptance
    case .refuse(let response):
      span.attributes["http.response.status_code"] = response.status.code
      // Server errors are errors of the span, by the OpenTelemetry conventions for HTTP.
      if response.status.kind == .serverError { span.setStatus(SpanStatus(code: .error)) }
    }
    span.end()
  }

  private struct FieldExtractor: Extractor {
    func extract(key: String, from carrier: HTTPFields) -> String? {
      HTTPField.Name(key).flatMap { carrier[$0] }
    }
  }
}

extension Eventual<WebSocketDecision> {
  /// The same value, with a span that ends with it.
  func traced(_ span: HandshakeSpan?) -> Eventual {
    guard let span else { return self }
    switch self {
    case .now(let decision):
      span.end(with: decision)
      return self
    case .later(let decide): return .later { await span.end(with: decide) }
    }
  }
}
#endif
