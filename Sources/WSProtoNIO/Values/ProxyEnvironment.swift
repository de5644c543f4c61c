// SPDX-License-Identifier: Apache-2.0

#if NIO

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// The proxies that environment variables name, by curl's rules.
///
/// | Variable | Applies to |
/// |---|---|
/// | `ws_proxy`, else `http_proxy`, else `all_proxy` | `ws:` |
/// | `wss_proxy`, else `https_proxy`, else `all_proxy` | `wss:` |
/// | `no_proxy` | hosts that are connected to directly |
///
/// The lower-case name takes precedence over the upper-case one. `HTTP_PROXY` is ignored in a program that a web server
/// runs for a request (`REQUEST_METHOD` is set), because there it holds the client's `Proxy` field.
///
/// `no_proxy` is a list separated by commas or spaces. `example.com` matches that host and all its subdomains, also if
/// written with a leading dot or `*.`; `example.com:8080` matches only that port. `10.0.0.0/8`, `192.0.2.1` and
/// `[2001:db8::1]` match addresses, if the URL's host is an address. `*` matches everything.
public struct ProxyEnvironment: Sendable, Hashable {
  private let variables: [String: String]

  /// Uses the variables in `environment`.
  public init(_ environment: [String: String]) {
    variables = environment.filter { Self.names.contains($0.key) }
  }

  /// The current variables of this process.
  public static func current() -> ProxyEnvironment {
    var variables: [String: String] = [:]
    for name in names {
      guard let value = getenv(name) else { continue }
      variables[name] = String(cString: value)
    }
    return ProxyEnvironment(variables)
  }

  /// The proxy to use for `address`; `nil` for none.
  ///
  /// - Throws: ``InvalidProxyVariable`` if the variable that applies doesn't hold a valid proxy URL.
  public func proxy(for address: WebSocketAddress) throws(InvalidProxyVariable) -> ProxyAddress? {
    if let exceptions = value("no_proxy")?.text, Self.excepts(address, exceptions) { return nil }
    for name in address.isSecure
      ? ["wss_proxy", "https_proxy", "all_proxy"] : ["ws_proxy", "http_proxy", "all_proxy"]
    {
      guard let (name, text) = value(name) else { continue }
      // An empty variable means no proxy for this scheme.
      if text.isEmpty { return nil }
      do throws(InvalidURL) {
        return try ProxyAddress(text)
      } catch {
        throw InvalidProxyVariable(name: name, cause: error)
      }
    }
    return nil
  }

  private static let names: Set<String> = {
    let lower = [
      "ws_proxy", "wss_proxy", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    ]
    return Set(lower + lower.map { $0.uppercased() } + ["REQUEST_METHOD"])
  }()

  private func value(_ name: String) -> (name: String, text: String)? {
    if let text = variables[name] { return (name, text) }
    let upper = name.uppercased()
    if upper == "HTTP_PROXY", variables["REQUEST_METHOD"] != nil { return nil }
    return variables[upper].map { (upper, $0) }
  }

  // MARK: no_proxy

  private static func excepts(_ address: WebSocketAddress, _ list: String) -> Bool {
    list.split { $0 == "," || $0.isWhitespace }.contains { matches(address, $0) }
  }

  private static func matches(_ address: WebSocketAddress, _ entry: Substring) -> Bool {
    if entry == "*" { return true }
    if let network = try? IPNetwork(String(entry)) {
      return address.host.address.map(network.contains) ?? false
    }
    // The port follows the last colon, unless that colon is inside brackets.
    let bracket = entry.lastIndex(of: "]") ?? entry.startIndex
    let colon = entry[bracket...].lastIndex(of: ":")
    if let colon {
      guard Int(entry[entry.index(after: colon)...]) == address.port else { return false }
    }
    var name = entry[..<(colon ?? entry.endIndex)].lowercased()[...]
    if name.first == "[", name.last == "]" { name = name.dropFirst().dropLast() }
    if let excepted = IPAddress(name) {
      return address.host.address?.unmapped == excepted.unmapped
    }
    if name.hasPrefix("*.") { name = name.dropFirst() }
    if name.first == "." { name = name.dropFirst() }
    if name.last == "." { name = name.dropLast() }
    let host = address.host.name.last == "." ? address.host.name.dropLast() : address.host.name[...]
    guard !name.isEmpty, address.host.address == nil else { return false }
    return host == name || host.hasSuffix("." + name)
  }
}

/// An environment variable that should name a proxy but doesn't.
public struct InvalidProxyVariable: Error, Sendable, Hashable, CustomStringConvertible {
  /// The name of the variable.
  public var name: String
  /// What is wrong with its value.
  public var cause: InvalidURL

  /// Creates an error.
  public init(name: String, cause: InvalidURL) {
    self.name = name
    self.cause = cause
  }

  /// The variable and what is wrong with it. The value isn't shown, since it may hold a password.
  public var description: String { "the environment variable \(name) names no proxy: \(cause)" }
}
#endif
