// SPDX-License-Identifier: Apache-2.0

/// What the first bytes of one direction show.
enum ProtocolGuess {
  case needsMore
  case tls
  case http2
  /// A request of HTTP/1.
  case request
  /// A response of HTTP/1.
  case response
  /// Perhaps frames: the connection is seen from its middle.
  case frames
  case unknown

  /// - Parameters:
  ///   - isComplete: whether these are the connection's first bytes.
  ///   - isLast: whether no more will come.
  init(_ start: ArraySlice<UInt8>, isComplete: Bool, isLast: Bool) {
    guard let first = start.first else {
      self = isLast ? .unknown : .needsMore
      return
    }
    // Handshake, or application data in the middle of a connection; 3.x (RFC 8446 §5.1).
    if 0x14...0x17 ~= first {
      guard let second = start.byte(1) else {
        self = isLast ? .unknown : .needsMore
        return
      }
      if second == 3 {
        self = .tls
        return
      }
    }
    let preface = Array("PRI * HTTP/2.0\r\n".utf8)
    if start.starts(with: preface) {
      self = .http2
      return
    }
    // A method is a token in upper case; "HTTP/" begins a response. One capital may also begin a compressed fragment.
    // No method is longer than 15.
    let letters = start.prefix(16).prefix { 0x41...0x5A ~= $0 }.count
    if letters == start.count, letters < 16, !isLast {
      self = .needsMore
    } else if 3..<16 ~= letters, start.byte(letters) == UInt8(ascii: "/") {
      self = start.starts(with: Array("HTTP".utf8)) ? .response : .unknown
    } else if 3..<16 ~= letters, start.byte(letters) == UInt8(ascii: " ") {
      self = start.count < preface.count && preface.starts(with: start) && !isLast ? .needsMore : .request
    } else {
      // The second byte says who sends.
      self = isComplete ? .unknown : start.count < 2 && !isLast ? .needsMore : .frames
    }
  }
}
