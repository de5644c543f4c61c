// SPDX-License-Identifier: Apache-2.0

/// The peer's bytes violate the protocol or a limit. The connection cannot go on: answer with a Close frame that
/// carries ``code`` and drop the transport (RFC 6455 §7.1.7).
///
/// ``Connection`` and ``WSConnection`` don't throw this: they deliver it as a ``CloseConnection`` event.
public struct ParseFailed: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was violated, in words that may go into the reason of a Close frame.
  public var message: String
  /// The code to close with: 1002 unless another fits better (1007 for invalid UTF-8, 1009 for size).
  public var code: CloseReason

  /// A failure, 1002 unless stated.
  public init(_ message: String, _ code: CloseReason = .protocolError) {
    self.message = message
    self.code = code
  }

  /// The message.
  public var description: String { message }
}
