// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// How a connection has ended: thrown by what is asked of it afterwards, and by `messages` unless the end was
/// ``isOrderly``.
public struct WebSocketClosed: Error, Sendable, Hashable {
  /// What has ended the connection.
  public enum Cause: Sendable, Hashable {
    /// The peer has sent a Close.
    case peer
    /// This end has closed it: `close`, or the closure that had the socket has returned.
    case local
    /// The server, or the client, shuts down.
    case shutdown
    /// The closure that had the socket has thrown.
    case handlerFailed
    /// A message in parts was begun and can't be completed: its sender has failed, or was cancelled.
    case messageUnfinished
    /// The peer has violated the protocol or a limit (RFC 6455 §7.1.7).
    case violation(ParseFailed)
    /// The peer was too slow with what a deadline was set for.
    case deadline(Deadlines.Cause)
    /// The peer takes less than it is sent: so many bytes were waiting; see ``SlowConsumerPolicy``.
    case slowConsumer(unsentBytes: Int)
    /// The peer has sent more than it may in a second; see ``WebSocketOptions/rateLimit``.
    case rateLimit
    /// The connection has lasted for as long as it may; see ``WebSocketServerLimits/maxLifetime``.
    case lifetime(limit: Duration)
    /// The messages under way over all connections have reached this many bytes; see ``MemoryBudget``.
    case outOfMemory(limit: Int)
    /// The transport has ended without a Close; with the error of the transport, if there was one.
    case transport(String?)
  }

  /// The code of the peer's Close: 1005 where it had none, 1006 where no Close came (RFC 6455 §7.1.5, §7.4.1). For a
  /// violation, the code that it was answered with.
  public let code: CloseReason
  /// The reason of that Close; `nil` for none. Of the peer's choice: escape it before you show it.
  public let reason: String?
  /// What has ended the connection.
  public let cause: Cause

  /// An end.
  public init(code: CloseReason, reason: String? = nil, cause: Cause) {
    self.code = code
    self.reason = reason?.isEmpty == true ? nil : reason
    self.cause = cause
  }

  /// Whether the connection has ended as connections should: by this end, or by a Close of the peer's with 1000, with
  /// 1001 or without a code.
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
  /// The cause in words, with the code and the reason, cut and escaped.
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
