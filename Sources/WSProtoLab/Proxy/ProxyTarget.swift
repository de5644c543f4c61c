// SPDX-License-Identifier: Apache-2.0

/// Where a proxy forwards to, and how requests are changed for it.
package struct ProxyTarget: Sendable {
  /// The host, and the port unless it is the scheme's default, as in the `Host` field.
  package var authority: String
  /// Whether the connection to it uses TLS.
  package var isSecure: Bool
  /// The path and query that a request for `/` is changed to.
  package var path: String
  /// The name at which the proxy listens.
  package var ownName = "localhost"
  /// Whether to leave `Host` and `Origin` unchanged.
  package var keepsHost = false

  package init(authority: String, isSecure: Bool, path: String) {
    self.authority = authority
    self.isSecure = isSecure
    self.path = path
  }

  /// The origin of its pages (RFC 6454 §6.2).
  private var origin: String { (isSecure ? "https://" : "http://") + authority }

  /// The URL of a WebSocket there.
  func url(of target: String) -> String { (isSecure ? "wss://" : "ws://") + authority + target }

  /// Changes a request's head for the target: sets `Host`, and `Origin` if the page was loaded through the proxy, and
  /// replaces the target `/` by the path of the proxy's URL. All other bytes stay the same.
  func rewrite(_ head: [UInt8]) -> [UInt8] {
    var lines = Self.lines(of: head)
    if path != "/", let first = lines.first {
      let parts = first.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      if parts.count == 3, parts[1].elementsEqual("/".utf8) {
        lines[0] = parts[0] + Array(" \(path) ".utf8) + parts[2]
      }
    }
    guard !keepsHost else { return lines.flatMap { $0 } }
    let host = HandshakeRecord(head[...]).value("Host").map {
      String(decoding: $0, as: UTF8.self).lowercased()
    }
    let isOwn = host.map(isOwnAddress) ?? false
    for index in lines.indices.dropFirst() {
      if Self.isField("host", lines[index]) {
        lines[index] = Self.replacingValue(of: lines[index], with: authority)
      } else if Self.isField("origin", lines[index]), isOwn, let origin = Self.value(of: lines[index]) {
        let authority = origin.split(separator: "//", maxSplits: 1).last.map { $0.lowercased() }
        if authority == host { lines[index] = Self.replacingValue(of: lines[index], with: self.origin) }
      }
    }
    return lines.flatMap { $0 }
  }

  /// Whether a `Host` is the proxy's own address. Any other name that resolves to it may be an attacker's (DNS
  /// rebinding), and the target must see that origin.
  private func isOwnAddress(_ host: String) -> Bool {
    if host.hasPrefix("[") { return true }
    let name = host.prefix { $0 != ":" }
    return name == "localhost" || name == ownName.lowercased() || name.allSatisfy { $0.isNumber || $0 == "." }
  }

  /// The lines, including their line ends.
  private static func lines(of head: [UInt8]) -> [[UInt8]] {
    var lines: [[UInt8]] = [[]]
    for byte in head {
      lines[lines.count - 1].append(byte)
      if byte == 0x0A { lines.append([]) }
    }
    return lines
  }

  private static func isField(_ name: String, _ line: [UInt8]) -> Bool {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return false }
    return String(decoding: line[..<colon], as: UTF8.self).lowercased() == name
  }

  private static func value(of line: [UInt8]) -> String? {
    guard let range = valueRange(of: line) else { return nil }
    return String(decoding: line[range], as: UTF8.self)
  }

  private static func replacingValue(of line: [UInt8], with value: String) -> [UInt8] {
    guard let range = valueRange(of: line) else { return line }
    return line[..<range.lowerBound] + Array(value.utf8) + line[range.upperBound...]
  }

  /// The range of a field's value, without the whitespace around it.
  private static func valueRange(of line: [UInt8]) -> Range<Int>? {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }
    var start = colon + 1
    while start < line.count, line[start] == 0x20 || line[start] == 0x09 { start += 1 }
    var end = line.count
    while end > start, isSpace(line[end - 1]) { end -= 1 }
    return start..<end
  }
}
