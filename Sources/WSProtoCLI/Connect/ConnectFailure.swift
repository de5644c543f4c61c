// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import HTTPTypes
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

extension ToolFailure {
  /// Why there is no connection: the status, the cause, and what to try.
  ///
  /// - Parameter unixSocketPath: what was connected to, in place of the error's host and port.
  init(_ error: WebSocketClientError, unixSocketPath: String?, isSecure: Bool, firstBytes: [UInt8]) {
    let status = Self.status(of: error)
    if let unixSocketPath, case .unreachable(_, let text) = error {
      self.init(status, "the Unix socket \(shownInQuotes(unixSocketPath)) cannot be connected to: \(text)")
    } else if let unixSocketPath, case .refused = error {
      self.init(status, "nobody listens at the Unix socket \(shownInQuotes(unixSocketPath))")
    } else {
      self.init(status, Self.description(of: error, isSecure, firstBytes))
    }
  }

  private static func status(of error: WebSocketClientError) -> ExitStatus {
    switch error {
    case .url, .request, .tlsOptions, .proxyVariable: .usage
    case .unresolved: .unresolved
    case .refused, .unreachable: .notConnected
    case .timedOut: .timedOut
    case .disconnected(.proxy, _), .proxyRefused, .socksRefused, .proxyProtocol: .proxy
    case .disconnected(.connecting, _): .notConnected
    case .disconnected(.tls, _), .tls: .tls
    case .disconnected(.handshake, _), .handshake, .http2Unavailable, .streamReset: .notWebSocket
    case .certificate: .certificate
    case .refusal: .refused
    case .redirect: .redirect
    }
  }

  private static func description(
    of error: WebSocketClientError,
    _ isSecure: Bool,
    _ firstBytes: [UInt8]
  ) -> String {
    switch error {
    case .refusal(let refusal): return describe(refusal)
    case .handshake(let cause):
      guard let guess = PeerGuess(firstBytes: firstBytes) else { return error.description }
      // What it seems to be says more than which rule of HTTP it breaks.
      let detail = guess == .other ? " (\(cause))" : ""
      return guess.answer(isSecure: isSecure) + detail
    case .disconnected(.handshake, _) where !firstBytes.isEmpty:
      // It has said something, but not all of an answer.
      return PeerGuess(firstBytes: firstBytes)?.answer(isSecure: isSecure)
        ?? "the server ended the connection within its answer"
    case .disconnected(.handshake, _) where !isSecure:
      return "the server ended the connection without an answer: if the port speaks TLS, try wss://"
    case .disconnected(.tls, _), .tls:
      return "\(error.description): if the port does not speak TLS, try ws://"
    case .certificate:
      return "\(error.description): --ca trusts a certificate, --insecure any"
    case .timedOut(.handshake, _) where !isSecure && firstBytes.isEmpty:
      return "\(error.description): the server said nothing; if the port speaks TLS, try wss://"
    default: return error.description
    }
  }

  private static func describe(_ refusal: HTTPRefusal) -> String {
    var text = "the server refused with \(refusal.status)"
    if 300...399 ~= refusal.status, let location = refusal.fields[.location] {
      return text + ", which leads to \(shownInQuotes(location, limit: 400)): -L follows redirects"
    }
    let body = shownLines(String(refusal.text.prefix(400))).joined(separator: " ")
    if !body.isEmpty { text += ": \(body)" }
    switch refusal.status {
    case 400 where body.lowercased().contains("https"): text += ": try wss://"
    case 200, 404, 405: text += " (a web server, without a WebSocket at this path)"
    case 401: text += " (--basic, --bearer or -H 'Authorization: …' say who you are)"
    case 403: text += " (servers check the Origin: --origin sets it)"
    default: break
    }
    return text
  }

  /// How a connection has ended, if not in order.
  init(_ closed: WebSocketClosed) {
    if case .peer = closed.cause {
      let reason = closed.reason.map { " " + shownInQuotes($0) } ?? ""
      self.init(.closedWithCode, "the connection was closed with \(closed.code)\(reason)")
    } else {
      self.init(.lost, closed.words)
    }
  }
}

extension WebSocketClosed {
  /// The cause for users of the command, without the names of the library's options.
  var words: String {
    guard case .violation(let failed) = cause else { return description }
    return failed.code == .messageTooBig
      ? "the peer has sent \(failed): --max-message sets the limit (\(code))"
      : "the peer has violated the protocol: \(failed) (\(code))"
  }
}
#endif
