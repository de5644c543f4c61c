// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Synchronization

/// The head of a handshake message as it was received, from which an event makes what is asked of it: most servers
/// look at two or three of a browser's dozen fields.
final class ReceivedHead: Sendable {
  let head: HTTP1Head
  /// What the client offered; only of requests.
  let offers: [ExtensionHeader]
  private let excluded: HTTP1FieldSet
  private let headers = Mutex<Headers?>(nil)

  /// - Parameter excluded: fields that the event tells in another way.
  init(_ head: HTTP1Head, offers: [ExtensionHeader] = [], excluding excluded: HTTP1FieldSet) {
    self.head = head
    self.offers = offers
    self.excluded = excluded
  }

  /// The value of `Host`.
  var host: String { head.first(.host).map { head.value(of: $0) } ?? "" }

  /// The fields but those that are told in another way. Made once.
  var extraHeaders: Headers {
    headers.withLock { headers in
      if let headers { return headers }
      let made = head.makeHeaders(excluding: excluded)
      headers = made
      return made
    }
  }
}

/// The further fields of a handshake event: given by the caller, or those of a head that was received.
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
