// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
public import NIOCore
public import WSProto

/// An ordinary HTTP request to a WebSocket server, for example for a page, a health check or metrics.
public struct HTTPServerRequest: Sendable {
  /// The method, the path and the fields. The host is the `Host` field in HTTP/1.1, and `authority` in HTTP/2.
  public let head: HTTPRequest
  /// The complete body.
  public let body: ByteBuffer
  /// The client's address, as reported by the transport or a trusted proxy; `nil` if neither reports it.
  public let remoteAddress: SocketAddress?
}

/// A request for a WebSocket, passed to ``WebSocketServerOptions/decide``.
///
/// The properties of its `Request` are available directly:
///
/// ```swift
/// import WSProtoNIO
///
/// func isChat(_ request: WebSocketServerRequest) -> Bool { request.target == "/chat" }
/// ```
@dynamicMemberLookup
public struct WebSocketServerRequest: Sendable {
  /// The host, the target, the subprotocols and the fields.
  public let request: Request
  /// The client's address, as reported by the transport or a trusted proxy; `nil` if neither reports it.
  public let remoteAddress: SocketAddress?

  /// A property of ``request``.
  public subscript<Value>(dynamicMember member: KeyPath<Request, Value>) -> Value {
    request[keyPath: member]
  }
}

/// The incomplete body of an ordinary request. It has its own limit, and counts against the memory budget for incomplete
/// messages of all connections.
///
/// If nobody answers requests, the body isn't kept.
final class RequestBody {
  private var bytes = ByteBuffer()
  private var count = 0
  private let limit: Int
  private let isKept: Bool
  private let budget: MemoryBudget?

  init(_ responder: any HandshakeResponder) {
    limit = responder.maxBodyBytes
    isKept = responder.answersRequests
    budget = responder.budget
  }

  /// Appends a part.
  ///
  /// - Returns: the status to refuse the request with, if the body exceeds a limit.
  func append(_ part: UnsafeRawBufferPointer) -> HTTPResponse.Status? {
    guard part.count <= limit - count else { return .contentTooLarge }
    count += part.count
    guard isKept else { return nil }
    let now = Duration.nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds))
    guard budget?.take(part.count, at: now) ?? true else { return .serviceUnavailable }
    bytes.writeBytes(part)
    return nil
  }

  /// Returns the complete body, and gives its memory back to the budget.
  func finish() -> ByteBuffer {
    budget?.give(bytes.readableBytes)
    defer { bytes = ByteBuffer() }
    return bytes
  }

  deinit { budget?.give(bytes.readableBytes) }
}

/// A response to an ordinary HTTP request, or the refusal of a WebSocket.
public struct HTTPServerResponse: Sendable, Hashable {
  /// The status.
  public var status: HTTPResponse.Status
  /// The header fields. The server itself adds `Content-Length` and the connection fields of HTTP/1.1.
  public var headerFields: HTTPFields
  /// The complete body. It isn't sent if the status or the method doesn't allow a body.
  public var body: ByteBuffer

  /// Creates a response; by default with the status 200 and an empty body.
  public init(
    status: HTTPResponse.Status = .ok,
    headerFields: HTTPFields = HTTPFields(),
    body: ByteBuffer = ByteBuffer()
  ) {
    self.status = status
    self.headerFields = headerFields
    self.body = body
  }

  /// Creates the core's answer to an invalid request.
  init(_ error: RemoteProtocolError) {
    let response = error.response
    self.init(status: response.status, headerFields: response.headerFields)
  }

  /// Whether a response with this status may have a body (RFC 9110 §6.4.1).
  var mayHaveBody: Bool { status.code >= 200 && status.code != 204 && status.code != 304 }

  /// Whether the body is sent after the head.
  func sendsBody(to method: HTTPRequest.Method?) -> Bool {
    mayHaveBody && method != .head && body.readableBytes > 0
  }

  /// Announces that the HTTP/1.1 connection ends after this response (RFC 9112 §9.6).
  mutating func closeConnection() {
    let options = splitCommaHeader(headerFields[.connection] ?? "").filter { $0.lowercased() != "close" }
    headerFields[.connection] = (options + ["close"]).joined(separator: ", ")
  }

  /// Creates a response with HTML: `text/html` in UTF-8.
  public static func html(_ text: String, status: HTTPResponse.Status = .ok) -> HTTPServerResponse {
    typed("text/html; charset=utf-8", text, status)
  }

  /// Creates a response with plain text in UTF-8.
  public static func text(_ text: String, status: HTTPResponse.Status = .ok) -> HTTPServerResponse {
    typed("text/plain; charset=utf-8", text, status)
  }

  private static func typed(_ type: String, _ text: String, _ status: HTTPResponse.Status)
    -> HTTPServerResponse
  {
    HTTPServerResponse(status: status, headerFields: [.contentType: type], body: ByteBuffer(string: text))
  }
}
#endif
