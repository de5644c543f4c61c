// SPDX-License-Identifier: Apache-2.0

/// The parts of a request target, in origin-form or in the absolute-form that proxies receive
/// (RFC 9112 §3.2). The same rules apply to what is sent and what is received.
struct RequestTarget {
  /// Why a target is not legal.
  enum Fault: Error, Sendable, Hashable {
    case empty
    case form
    case fragment
    case character
    case authority(HTTP1Host.Fault)
    /// Only when sending: `Host` must match the URI.
    case otherHost
  }

  /// Host and port of an absolute-form, which replace `Host` (RFC 9112 §3.2.2).
  let authority: HeadPart?
  /// The resource name of RFC 6455 §3: path and query, starting with a slash.
  let resource: HeadPart

  /// - Throws: why `target` is not legal. `*` and a bare host are targets for methods other than GET
  ///   (RFC 9112 §3.2.3, §3.2.4).
  init(_ target: HeadPart) throws(Fault) {
    guard let first = target.first else { throw .empty }
    if first == Self.slash {
      try Self.checkResource(target.span)
      authority = nil
      resource = target
      return
    }
    guard let start = Self.endOfScheme(target) else { throw .form }
    let span = target.span
    var end = start
    while end < span.count, span[end] != Self.slash, span[end] != Self.questionMark,
      span[end] != Self.numberSign
    {
      end &+= 1
    }
    let authority = target.part(start..<end)
    do throws(HTTP1Host.Fault) {
      try HTTP1Host.check(authority.span)
    } catch {
      throw .authority(error)
    }
    let rest = target.part(end..<target.count)
    // An empty path is sent as a slash (RFC 9112 §3.2.1).
    let resource = rest.first == Self.slash ? rest : HeadPart([Self.slash] + rest.slice)
    try Self.checkResource(resource.span)
    self.authority = authority
    self.resource = resource
  }

  /// Path and query of a target in origin-form, the only form in HTTP/2 and HTTP/3 (RFC 9113 §8.3.1).
  static func originForm(_ target: HeadPart) throws(Fault) -> HeadPart {
    guard let first = target.first else { throw .empty }
    guard first == slash else { throw .form }
    try checkResource(target.span)
    return target
  }

  private static let slash: UInt8 = 0x2f
  private static let questionMark: UInt8 = 0x3f
  private static let numberSign: UInt8 = 0x23

  /// The position after `://` if the target begins with a scheme used for WebSockets. RFC 6455 §4.2.1 allows
  /// HTTP and HTTPS; clients behind proxies also send `ws:` and `wss:`.
  private static func endOfScheme(_ target: HeadPart) -> Int? {
    let span = target.span
    // Letters only, because the comparison takes some control bytes for other characters.
    var end = 0
    while end < span.count, (span[end] | 0x20) &- 0x61 < 26 { end &+= 1 }
    guard target.part(end..<min(end + 3, target.count)).isSpelled("://") else { return nil }
    for known: StaticString in ["http", "https", "ws", "wss"] where equalsIgnoringCase(span, 0..<end, known) {
      return end + 3
    }
    return nil
  }

  /// Checks path and query: accepts what browsers' URL parsers produce (WHATWG URL, "path state" and "query
  /// state"), which is what RFC 3986 §3.3 and §3.4 allow plus some characters that it requires to be encoded
  /// and browsers leave as they are.
  private static func checkResource(_ span: Span<UInt8>) throws(Fault) {
    var isQuery = false
    for index in span.indices {
      let byte = span[index]
      if byte == questionMark { isQuery = true }
      guard isQuery ? isQueryByte(byte) : isPathByte(byte) else {
        throw byte == numberSign ? .fragment : .character
      }
    }
  }

  /// Visible ASCII except `" # < >`.
  private static func isQueryByte(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7f && byte != 0x22 && byte != numberSign && byte != 0x3c && byte != 0x3e
  }

  /// The same, except backslash, backtick and braces. A question mark begins the query.
  private static func isPathByte(_ byte: UInt8) -> Bool {
    isQueryByte(byte) && byte != 0x5c && byte != 0x60 && byte != 0x7b && byte != 0x7d
  }
}

extension RequestTarget.Fault: CustomStringConvertible {
  var description: String {
    switch self {
    case .empty: "it is empty (RFC 9112 §3.2)"
    case .form: "it is neither a path, which begins with a slash, nor an HTTP URI (RFC 9112 §3.2)"
    case .fragment: "it has a fragment (RFC 6455 §3)"
    case .character: "it has a character that must be percent-encoded (RFC 3986 §3.3)"
    case .authority(let fault): fault.description
    case .otherHost: "its host is another one than the request's (RFC 9112 §3.2)"
    }
  }
}
