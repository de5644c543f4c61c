// SPDX-License-Identifier: Apache-2.0

public import WSProto

/// Something about a conversation that its reader should know.
public struct Finding: Sendable, Hashable {
  /// How bad it is.
  public enum Severity: String, Sendable, Hashable, Comparable {
    /// About the capture, not about the ends: what it doesn't have, and what therefore isn't known.
    case note
    /// Legal and unusual.
    case oddity
    /// A rule of an RFC is broken.
    case violation

    /// Notes first.
    public static func < (left: Severity, right: Severity) -> Bool { left.rank < right.rank }

    private var rank: Int {
      switch self {
      case .note: 0
      case .oddity: 1
      case .violation: 2
      }
    }
  }

  /// How bad it is.
  public var severity: Severity
  /// A short name that does not change, such as `unsolicited-pong`.
  public var rule: String
  /// The section that says so, such as `RFC 6455 §5.2`.
  public var section: String?
  /// The offset in the direction's stream.
  public var offset: Int
  /// What is the matter, in words.
  public var message: String
  /// The code with which the receiver closes the connection.
  public var closeCode: CloseReason?
  /// Whether nothing after it can be read in this direction of this connection.
  public var stops = false
}
