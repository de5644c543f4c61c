// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

/// What `SECURITY.md` promises about limits.
@Suite struct SecurityPageTests {
  /// The format that the page uses.
  static func written(_ value: Int) -> String {
    if value % (1 << 20) == 0 { return "\(value >> 20) MiB" }
    if value % 1024 == 0, value != 1 << 17 { return "\(value >> 10) KiB" }
    // With three digits after the comma.
    return value < 1000 ? "\(value)" : "\(value / 1000),\("\(1000 + value % 1000)".dropFirst())"
  }

  @Test("SECURITY.md names every limit with its default, and the deadlines with theirs")
  func defaults() throws {
    let root = try #require(#filePath.split(separator: "/Tests/WSProtoTests/").first)
    let rows = try readFile(root + "/SECURITY.md").split(separator: "\n").filter { $0.hasPrefix("| `") }
    func row(_ name: String) -> [Substring]? {
      rows.first { $0.hasPrefix("| `\(name)`") }?.split(separator: "|").map { $0.trimmed }
    }
    for (label, value) in Mirror(reflecting: Limits()).children {
      let name = "Limits.\(try #require(label))"
      let value = try #require(value as? Int)
      #expect(row(name)?[1] == Self.written(value)[...], "\(name)")
    }
    func seconds(_ duration: Duration?) -> Substring { "\(duration?.components.seconds ?? 0) s" }
    let timeouts = Timeouts()
    #expect(row("Timeouts.opening")?[1] == seconds(timeouts.opening))
    #expect(
      row("Timeouts.keepalive")?[1]
        == "\(seconds(timeouts.keepalive?.pingInterval)), \(seconds(timeouts.keepalive?.pongTimeout))"
    )
    #expect(row("Timeouts.closing")?[1] == seconds(timeouts.closing))
    #expect(row("Timeouts.transportEnd")?[1] == seconds(timeouts.transportEnd))
    #expect(rows.count == Mirror(reflecting: Limits()).children.count + 4)
  }
}

extension Substring {
  fileprivate var trimmed: Substring {
    var text = self
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return text
  }
}
