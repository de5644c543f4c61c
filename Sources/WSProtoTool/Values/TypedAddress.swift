// SPDX-License-Identifier: Apache-2.0

#if Tool
/// An address as people type it.
///
/// | typed | meant |
/// | --- | --- |
/// | `ws://…`, `wss://…`, `http://…`, `https://…` | that |
/// | `localhost:9001`, `example.com/chat` | `ws://` before it; `wss://` where the port is 443 |
/// | `:9001`, `:9001/chat` | this machine |
/// | `unix:/run/app.sock`, `ws+unix:/run/app.sock:/chat` | a Unix socket, and the target behind its path |
package struct TypedAddress: Equatable, Sendable {
  /// The URL of a WebSocket.
  package var url: String
  /// The path of the Unix socket to connect to, if it is one.
  package var unixSocketPath: String?

  package init(_ text: String) {
    for scheme in ["ws+unix:", "unix:"] where text.hasPrefix(scheme) {
      var path = text.dropFirst(scheme.count)
      if path.hasPrefix("//") { path = path.dropFirst(2) }
      let end = path.firstIndex(of: ":") ?? path.endIndex
      let target = path[end...].dropFirst()
      unixSocketPath = String(path[..<end])
      url = "ws://localhost" + (target.hasPrefix("/") ? "" : "/") + target
      return
    }
    if text.contains("://") || Self.isOtherScheme(text) {
      url = text
    } else if text.hasPrefix(":") {
      url = "ws://localhost" + text
    } else {
      let authority = text.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
      url = (authority.hasSuffix(":443") ? "wss://" : "ws://") + text
    }
  }

  /// `mailto:x`, but not `localhost:9001`.
  private static func isOtherScheme(_ text: String) -> Bool {
    guard let colon = text.firstIndex(of: ":"), colon != text.startIndex, text.first != "[" else {
      return false
    }
    let name = text[..<colon]
    guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }) else {
      return false
    }
    return text[colon...].dropFirst().first?.isNumber == false
  }
}

/// A place to listen or to connect at by TCP: `127.0.0.1:8022`, `:8022`, `8022`, `[::1]:8022`.
package struct HostAndPort: Equatable, Sendable {
  package var host: String
  package var port: Int

  /// - Returns: `nil` if there is no port in 0...65535.
  package init?(_ text: String, defaultHost: String = "127.0.0.1") {
    let colon = text.lastIndex(of: ":")
    let digits = colon.map { text[text.index(after: $0)...] } ?? text[...]
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(digits) else {
      return nil
    }
    var host = colon.map { text[..<$0] } ?? ""
    if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
    self.host = host.isEmpty ? defaultHost : String(host)
    self.port = Int(port)
  }
}
#endif
