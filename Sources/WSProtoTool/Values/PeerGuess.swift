// SPDX-License-Identifier: Apache-2.0

#if Tool
/// What a server seems to be that has not answered as a WebSocket server does.
package enum PeerGuess: Equatable, Sendable {
  case tls, ssh, smtpOrFTP, http2, other

  /// - Parameter firstBytes: those with which it has answered an HTTP request, or before it.
  package init?(firstBytes bytes: [UInt8]) {
    guard let first = bytes.first else { return nil }
    func begins(_ text: String) -> Bool { bytes.starts(with: text.utf8) }
    if begins("HTTP/1") { return nil }
    // The records of an alert or of a handshake (RFC 8446 §5.1).
    if (first == 21 || first == 22), bytes.count > 1, bytes[1] == 3 {
      self = .tls
    } else if begins("SSH-") {
      self = .ssh
    } else if begins("220") || begins("421") || begins("554") {
      self = .smtpOrFTP
    } else if bytes.count > 3, bytes[..<2] == [0, 0], bytes[3] == 4 || bytes[3] == 7 {
      // SETTINGS or GOAWAY as the first frame (RFC 9113 §3.4).
      self = .http2
    } else {
      self = .other
    }
  }

  /// That it is no WebSocket server, what it seems to be, and what to try.
  package func answer(isSecure: Bool) -> String {
    "no WebSocket server answers there: \(advice(isSecure: isSecure))"
  }

  /// What it seems to be and what to try.
  package func advice(isSecure: Bool) -> String {
    switch self {
    case .tls where isSecure: "it speaks TLS inside of TLS"
    case .tls: "the port seems to speak TLS: try wss://"
    case .ssh: "the port seems to be an SSH server: is the port number right?"
    case .smtpOrFTP: "the port seems to be a mail or FTP server: is the port number right?"
    case .http2: "the port seems to speak HTTP/2 only: try --http2"
    case .other: "the port does not seem to be a web server: is the port number right?"
    }
  }
}
#endif
