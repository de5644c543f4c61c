// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// How a connection ended. Operations on an ended connection throw it, and so does `messages` unless the end
/// ``isOrderly``.
public struct WebSocketClosed: Error, Sendable, Hashable {
  /// What ended the connection.
  public enum Cause: Sendable, Hashable {
    /// The peer sent a Close.
    case peer
    /// This end closed the connection: `close` was called, or the closure that uses the socket returned.
    case local
    /// The server or the client shut down.
    case shutdown
    /// The closure that uses the socket threw an error.
    case handlerFailed
    /// A message sent in parts was begun and can't be completed, because its sender failed or was cancelled.
    case messageUnfinished
    /// The peer violated the protocol or a limit (RFC 6455 §7.1.7).
    case violation(ParseFailed)
    /// The peer missed a deadline.
    case deadline(Deadlines.Cause)
    /// The peer reads more slowly than this end sends; the value is the number of bytes that were waiting. See
    /// ``SlowConsumerPolicy``.
    case slowConsumer(unsentBytes: Int)
    /// The peer sent more per second than it may; see ``WebSocketOptions/rateLimit``.
    case rateLimit
    /// The connection reached its maximum lifetime; see ``WebSocketServerLimits/maxLifetime``.
    case lifetime(limit: Duration)
    /// The incomplete messages of all connections reached this number of bytes; see ``MemoryBudget``.
    case outOfMemory(limit: Int)
    /// The transport ended without a Close. The value is the transport's error, if there was one.
    case transport(String?)
  }

  /// The code of the peer's Close: 1005 if it had none, 1006 if no Close came (RFC 6455 §7.1.5, §7.4.1). After a
  /// violation, the code that this end answered with.
  public let code: CloseReason
  /// The reason in that Close; `nil` if there was none. The peer chooses it: escape it before you display it.
  public let reason: String?
  /// What ended the connection.
  public let cause: Cause

  /// Creates a value with these properties.
  public init(code: CloseReason, reason: String? = nil, cause: Cause) {
    self.code = code
    self.reason = reason?.isEmpty == true ? nil : reason
    self.cause = cause
  }

  /// Whether the connection ended regularly: this end closed it, or the peer sent a Close with 1000, with 1001 or
  /// without a code.
  public var isOrderly: Bool {
    switch cause {
    case .local, .shutdown, .lifetime: true
    case .peer: code == .normalClosure || code == .goingAway || code == .noStatusRcvd
    case .handlerFailed, .messageUnfinished, .violation, .deadline, .slowConsumer, .rateLimit, .outOfMemory,
      .transport:
      false
    }
  }
}

extension WebSocketClosed: CustomStringConvertible {
  /// The cause in words, with the code and the reason, which is truncated and escaped.
  public var description: String {
    let why =
      switch cause {
      case .peer: "closed by the peer"
      case .local: "closed by this end"
      case .shutdown: "closed, since this end shuts down"
      case .handlerFailed: "closed, since the closure that had the socket has thrown"
      case .messageUnfinished: "closed, since a message in parts was begun and not completed"
      case .violation(let failed):
        failed.code == .messageTooBig
          ? "the peer has sent \(failed) (WebSocketOptions.maxMessageBytes)"
          : "the peer has violated the protocol: \(failed)"
      case .deadline(let cause): "given up: \(cause)"
      case .slowConsumer(let unsent):
        "given up: the peer takes less than it is sent, \(unsent) bytes are waiting (WebSocketOptions.slowConsumer)"
      case .rateLimit:
        "closed, since the peer sends more than it may in a second (WebSocketOptions.rateLimit)"
      case .lifetime(let limit):
        "closed by this end, since a connection lasts for \(limit) at most (WebSocketServerLimits.maxLifetime)"
      case .outOfMemory(let limit):
        "closed, since messages under way over all connections take \(limit) bytes (MemoryBudget)"
      case .transport(nil): "the transport has ended without a Close"
      case .transport(let error?): "the transport has ended without a Close: \(error)"
      }
    guard let reason else { return "\(why) (\(code))" }
    return "\(why) (\(code), \(String(reason.unicodeScalars.prefix(80)).debugDescription))"
  }
}
#endif
