// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import WSProto

/// A refusing response, from a server that opens no WebSocket or from a proxy.
public struct HTTPRefusal: Sendable, Hashable {
  /// The status code, three digits (RFC 9110 §15).
  public let status: Int
  /// The header fields as they were sent.
  public let fields: HTTPFields
  /// The beginning of the body, up to ``maxBodyBytes``, as it was sent: any content coding in `fields` is still
  /// applied.
  public internal(set) var body: [UInt8] = []
  /// Whether ``body`` is incomplete, because there was more than is kept or because the rest didn't arrive in time.
  public internal(set) var isBodyCut = true

  /// The maximum number of body bytes kept.
  public static let maxBodyBytes = 1024

  init(_ reject: RejectConnection) {
    status = reject.statusCode
    fields = reject.headers
  }

  /// Appends a part of the body. Returns true once no more is needed.
  mutating func append(_ data: RejectData) -> Bool {
    let room = Self.maxBodyBytes - body.count
    body += data.data.prefix(room)
    if data.data.count <= room, data.bodyFinished { isBodyCut = false }
    return data.bodyFinished || data.data.count >= room
  }

  /// The body as text, with invalid UTF-8 replaced. The server chooses it: escape it before you display it.
  public var text: String { String(decoding: body, as: UTF8.self) }

  /// How long the server asks to wait before another attempt (RFC 9110 §10.2.3); `nil` if it doesn't say.
  public var retryAfter: Duration? { RetryAfter.delay(in: fields) }
}

extension HTTPRefusal: CustomStringConvertible {
  /// The status and the beginning of the body, truncated and escaped.
  public var description: String { body.isEmpty ? "\(status)" : "\(status), \(quoted(text))" }
}
#endif
