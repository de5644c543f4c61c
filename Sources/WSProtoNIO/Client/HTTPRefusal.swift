// SPDX-License-Identifier: Apache-2.0

#if NIO
public import HTTPTypes
import WSProto

/// A response that refuses: of a server that opens no WebSocket, or of a proxy.
public struct HTTPRefusal: Sendable, Hashable {
  /// The status: three digits (RFC 9110 §15).
  public let status: Int
  /// The fields, as they were sent.
  public let fields: HTTPFields
  /// The beginning of the body, ``maxBodyBytes`` at most, as it was sent: a coding named in `fields` is still on it.
  public internal(set) var body: [UInt8] = []
  /// Whether there was more of the body than is kept, or than came in time.
  public internal(set) var isBodyCut = true

  /// How much of a body is kept.
  public static let maxBodyBytes = 1024

  init(_ reject: RejectConnection) {
    status = reject.statusCode
    fields = reject.headers
  }

  /// Adds a part of the body; true once nothing more is of use.
  mutating func append(_ data: RejectData) -> Bool {
    let room = Self.maxBodyBytes - body.count
    body += data.data.prefix(room)
    if data.data.count <= room, data.bodyFinished { isBodyCut = false }
    return data.bodyFinished || data.data.count >= room
  }

  /// The body as text, what is not UTF-8 replaced. Of the server's choice: escape it before you show it.
  public var text: String { String(decoding: body, as: UTF8.self) }

  /// How long the server asks to wait before another attempt (RFC 9110 §10.2.3); `nil` if it doesn't say.
  public var retryAfter: Duration? { RetryAfter.delay(in: fields) }
}

extension HTTPRefusal: CustomStringConvertible {
  /// The status, and the beginning of the body, cut and escaped.
  public var description: String { body.isEmpty ? "\(status)" : "\(status), \(quoted(text))" }
}
#endif
