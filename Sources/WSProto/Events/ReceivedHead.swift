// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Synchronization

/// The received head of a handshake message. An event reads from it what is asked for: most servers look at
/// two or three of a browser's dozen fields.
final class ReceivedHead: Sendable {
  /// Where the fields are.
  enum Source: Sendable {
    case head(HTTP1Head)
    case fields(Headers)

    /// The fields, except those in `excluded`.
    func headers(excluding excluded: HTTP1FieldSet = []) -> Headers {
      switch self {
      case .head(let head): return head.makeHeaders(excluding: excluded)
      case .fields(let headers):
        if excluded.isEmpty { return headers }
        return Headers(
          headers.filter { !excluded.contains(HTTP1FieldID(canonicalName: $0.name.canonicalName)) }
        )
      }
    }
  }

  // Read from a request; empty for a response.
  let host: HeadPart
  let target: HeadPart
  let key: HeadPart?
  let subprotocols: [String]
  let offers: [ExtensionHeader]
  private let source: Source
  private let excluded: HTTP1FieldSet
  private let headers = Mutex<Headers?>(nil)

  /// The fields for which ``Request`` has its own properties.
  private static let toldByRequest = HTTP1FieldSet([.host, .secWebSocketExtensions, .secWebSocketProtocol])

  /// The head of a request.
  init(_ opening: OpeningRequest, _ source: Source) {
    host = opening.host
    target = opening.target
    key = opening.key
    subprotocols = opening.subprotocols
    offers = opening.offers
    self.source = source
    excluded = Self.toldByRequest
  }

  /// The head of a response.
  ///
  /// - Parameter excluded: fields that the event exposes in another way.
  init(_ source: Source, excluding excluded: HTTP1FieldSet) {
    host = HeadPart([])
    target = HeadPart([])
    key = nil
    subprotocols = []
    offers = []
    self.source = source
    self.excluded = excluded
  }

  /// The fields that the event doesn't expose in another way. Created once.
  var extraHeaders: Headers {
    headers.withLock { headers in
      if let headers { return headers }
      let made = source.headers(excluding: excluded)
      headers = made
      return made
    }
  }
}

/// A request that opens a WebSocket if the server agrees: the parts read from its head.
struct OpeningRequest: Sendable {
  /// Host and port: ASCII.
  let host: HeadPart
  /// Path and query: ASCII.
  let target: HeadPart
  /// For an upgrade, a legal value of `Sec-WebSocket-Key`. An extended CONNECT has none.
  let key: HeadPart?
  let subprotocols: [String]
  let offers: [ExtensionHeader]
}

/// The additional fields of a handshake event: given by the caller, or part of a received head.
enum EventFields: Sendable {
  case given(Headers)
  case received(ReceivedHead)

  var headers: Headers {
    get {
      switch self {
      case .given(let headers): headers
      case .received(let head): head.extraHeaders
      }
    }
    _modify {
      var headers = headers
      self = .given(Headers())
      defer { self = .given(headers) }
      yield &headers
    }
  }
}
