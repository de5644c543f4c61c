// SPDX-License-Identifier: Apache-2.0

#if NIO
internal import WSProto

/// A user and a password for the `Basic` authentication scheme (RFC 7617), or for a SOCKS5 proxy (RFC 1929).
///
/// They are sent readable by anyone on the way where the connection is not encrypted.
public struct BasicCredentials: Sendable, Hashable {
  /// The user, without a colon.
  public let user: String
  /// The password.
  public let password: String

  /// A user and a password.
  ///
  /// - Returns: `nil` if they cannot be sent: a colon in the user, a control character in either (RFC 7617 §2).
  public init?(user: String, password: String) {
    func isLegal(_ text: String) -> Bool {
      text.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f ~= $0.value) }
    }
    guard !user.utf8.contains(UInt8(ascii: ":")), isLegal(user), isLegal(password) else { return nil }
    self.user = user
    self.password = password
  }

  /// User and password in a URL; `nil` if neither is there.
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

  /// The value of `Authorization` and `Proxy-Authorization`: the scheme, and both in Base64 of UTF-8.
  public var authorization: String {
    "Basic " + String(decoding: Base64.encode("\(user):\(password)".utf8), as: UTF8.self)
  }
}

extension BasicCredentials: CustomStringConvertible {
  /// The user; the password is left out, so that it does not come into logs.
  public var description: String { "\(quoted(user)), password not shown" }
}

extension BasicCredentials: CustomReflectable {
  /// Without the password, which `dump` would show.
  public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}
#endif
