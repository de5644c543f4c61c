// SPDX-License-Identifier: Apache-2.0

#if Tool
/// The exit statuses of the command. Where curl has a status for a cause, the number is curl's.
package enum ExitStatus: Int32, CaseIterable, Sendable {
  case success = 0
  case failure = 1
  case closedWithCode = 2
  case lost = 3
  case missedThreshold = 4
  case violation = 5
  case unresolved = 6
  case notConnected = 7
  case refused = 22
  case output = 23
  case input = 26
  case timedOut = 28
  case tls = 35
  case redirect = 47
  case notWebSocket = 52
  case certificate = 60
  case usage = 64
  case proxy = 97
  case interrupted = 130
  case terminated = 143

  /// When it is given.
  package var meaning: String {
    switch self {
    case .success: "closed with 1000, 1001, no code, or the code that was asked for"
    case .failure: "a cause that has no status of its own"
    case .closedWithCode: "closed by the peer with another code"
    case .lost: "the connection ended without a Close (1006), or by a violation of the protocol"
    case .missedThreshold: "a threshold of bench was missed"
    case .violation: "inspect, check or proxy has found a rule that is broken, or a test has failed"
    case .unresolved: "the host name was not resolved"
    case .notConnected: "no connection to the host and port, or no listening at them"
    case .refused: "the server refused with an HTTP status"
    case .output: "standard output, or a file, could not be written"
    case .input: "standard input, or a file, could not be read to its end, or is not what was announced"
    case .timedOut: "--timeout, or a time limit before the connection was open"
    case .tls: "TLS was not agreed on"
    case .redirect: "a redirect was not followed"
    case .notWebSocket: "the peer's answer is not that of a WebSocket server"
    case .certificate: "the server's certificate was not accepted"
    case .usage: "the command line, or a file of tests, was not understood"
    case .proxy: "the proxy refused, or its answer was not legal"
    case .interrupted: "Ctrl-C (SIGINT)"
    case .terminated: "SIGTERM"
    }
  }

  /// All of them, a line each.
  package static var table: String {
    allCases.map { status in
      let number = String(status.rawValue)
      return "  " + String(repeating: " ", count: 3 - number.count) + "\(number)  \(status.meaning)"
    }.joined(separator: "\n")
  }
}

/// What has ended a command: in words, and by its status.
package struct ToolFailure: Error, CustomStringConvertible {
  package let status: ExitStatus
  /// In words; empty if everything was said before.
  package let description: String

  package init(_ status: ExitStatus, _ description: String) {
    self.status = status
    self.description = description
  }
}
#endif
