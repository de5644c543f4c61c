// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
public import NIOCore
public import WSProto

/// An ordinary HTTP request to a server of WebSockets: for a page, a health check, a metric.
public struct HTTPServerRequest: Sendable {
  /// Method, path and fields. In HTTP/1.1 the host is the field `Host`, in HTTP/2 `authority`.
  public let head: HTTPRequest
  /// The whole body.
  public let body: ByteBuffer
  /// Where the client is, as the transport says, or a proxy that is trusted; `nil` if neither does.
  public let remoteAddress: SocketAddress?
}

/// A request for a WebSocket, on which a server decides: ``WebSocketServerOptions/decide``.
///
/// It has the properties of its `Request` as its own:
///
/// ```swift
/// import WSProtoNIO
///
/// func isChat(_ request: WebSocketServerRequest) -> Bool { request.target == "/chat" }
/// ```
@dynamicMemberLookup
public struct WebSocketServerRequest: Sendable {
  /// The host, the target, the subprotocols, the fields.
  public let request: Request
  /// Where the client is, as the transport says, or a proxy that is trusted; `nil` if neither does.
  public let remoteAddress: SocketAddress?

  /// A property of ``request``.
  public subscript<Value>(dynamicMember member: KeyPath<Request, Value>) -> Value {
    request[keyPath: member]
  }
}

/// The body of an ordinary request that is not complete: bounded by itself, and, over all connections, by what messages
/// under way may take.
///
/// Where nobody answers requests, nothing of it is kept.
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
  /// - Returns: the status with which the request is refused, if that was too much.
  func append(_ part: UnsafeRawBufferPointer) -> HTTPResponse.Status? {
    guard part.count <= limit - count else { return .contentTooLarge }
    count += part.count
    guard isKept else { return nil }
    guard budget?.take(part.count) ?? true else { return .serviceUnavailable }
    bytes.writeBytes(part)
    return nil
  }

  /// The whole body, which is its receiver's from now on.
  func finish() -> ByteBuffer {
    budget?.give(bytes.readableBytes)
    defer { bytes = ByteBuffer() }
    return bytes
  }

  deinit { budget?.give(bytes.readableBytes) }
}

/// The answer to an ordinary HTTP request, or the refusal of a WebSocket.
public struct HTTPServerResponse: Sendable, Hashable {
  /// The status.
  public var status: HTTPResponse.Status
  /// The fields. `Content-Length` and what HTTP/1.1 says of the connection are the server's to add.
  public var headerFields: HTTPFields
  /// The whole body. Not sent where the status or the method has none.
  public var body: ByteBuffer

  /// A response; 200 and an empty body unless stated.
  public init(
    status: HTTPResponse.Status = .ok,
    headerFields: HTTPFields = HTTPFields(),
    body: ByteBuffer = ByteBuffer()
  ) {
    self.status = status
    self.headerFields = headerFields
    self.body = body
  }

  /// The answer to a request that is not legal, as the core gives it.
  init(_ error: RemoteProtocolError) {
    let response = error.response
    self.init(status: response.status, headerFields: response.headerFields)
  }

  /// Whether a response with this status has a body, if only an empty one (RFC 9110 §6.4.1).
  var mayHaveBody: Bool { status.code >= 200 && status.code != 204 && status.code != 304 }

  /// Whether bytes of the body follow the head.
  func sendsBody(to method: HTTPRequest.Method?) -> Bool {
    mayHaveBody && method != .head && body.readableBytes > 0
  }

  /// Says that the connection of HTTP/1.1 ends behind this response (RFC 9112 §9.6).
  mutating func closeConnection() {
    let options = splitCommaHeader(headerFields[.connection] ?? "").filter { $0.lowercased() != "close" }
    headerFields[.connection] = (options + ["close"]).joined(separator: ", ")
  }

  /// A page: `text/html` in UTF-8.
  public static func html(_ text: String, status: HTTPResponse.Status = .ok) -> HTTPServerResponse {
    typed("text/html; charset=utf-8", text, status)
  }

  /// Plain text in UTF-8.
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
