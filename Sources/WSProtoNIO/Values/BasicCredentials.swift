// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A user and a password for `Basic` authentication (RFC 7617), or for a SOCKS5 proxy (RFC 1929).
///
/// Unless the connection is encrypted, anyone on the network path can read them.
public struct BasicCredentials: Sendable, Hashable {
  /// The user name, which must not have a colon.
  public let user: String
  /// The password.
  public let password: String

  /// Creates credentials from a user name and a password.
  ///
  /// - Returns: `nil` if they can't be sent, because of a colon in the user name or a control character in either
  ///   (RFC 7617 §2).
  public init?(user: String, password: String) {
    func isLegal(_ text: String) -> Bool {
      text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) }
    }
    guard !user.utf8.contains(UInt8(ascii: ":")), isLegal(user), isLegal(password) else { return nil }
    self.user = user
    self.password = password
  }

  /// The credentials in a URL; `nil` if it has none.
  init?(userInformation: ArraySlice<UInt8>) throws(InvalidURL) {
    let parts = userInformation.split(
      separator: UInt8(ascii: ":"),
      maxSplits: 1,
      omittingEmptySubsequences: false
    )
    guard let first = parts.first, !(first.isEmpty && parts.count == 1) else { return nil }
    guard let user = URLBytes.percentDecoded(first),
      let password = URLBytes.percentDecoded(parts.count > 1 ? parts[1] : []),
      let credentials = BasicCredentials(user: user, password: password)
    else { throw .credentials }
    self = credentials
  }

  /// The value of `Authorization` or `Proxy-Authorization`: the scheme, then the Base64 encoding of both as UTF-8.
  public var authorization: String {
    "Basic " + String(decoding: Base64.encode("\(user):\(password)".utf8), as: UTF8.self)
  }
}

extension BasicCredentials: CustomStringConvertible {
  /// The user name. The password is omitted, so that it doesn't appear in logs.
  public var description: String { "\(quoted(user)), password not shown" }
}

extension BasicCredentials: CustomReflectable {
  /// The user name only, so that `dump` doesn't show the password.
  public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}
#endif
