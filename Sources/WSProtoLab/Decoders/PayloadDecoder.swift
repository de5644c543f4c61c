// SPDX-License-Identifier: Apache-2.0

/// What a message is in the language of what runs on top of WebSocket.
///
/// A decoder shows what is there, and never instead of the bytes. It reads a message as it was kept, so it may get the
/// beginning only.
public protocol PayloadDecoder: Sendable {
  /// Its name, as in `--decode NAME`.
  static var name: String { get }

  /// The names of the subprotocols (RFC 6455 §1.9) for which it is taken unasked, in lower case.
  static var subprotocols: [String] { get }

  /// A decoder.
  init()

  /// What a message is, in lines of text that is escaped.
  ///
  /// - Parameters:
  ///   - content: the message, or its beginning.
  ///   - isText: whether it is a text message.
  ///   - isCut: whether `content` is its beginning only.
  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String]
}

/// Bytes that are not what a decoder reads.
public struct PayloadError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The format that they aren't.
  public var format: String
  /// The byte of the message, counted from 0.
  public var offset: Int
  /// What was expected there.
  public var message: String

  /// `not FORMAT: MESSAGE at byte N`.
  public var description: String { "not \(format): \(message) at byte \(offset)" }
}
