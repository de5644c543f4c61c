// SPDX-License-Identifier: Apache-2.0

import WSProto

extension Statistics {
  /// The statistics as a table for people.
  public var lines: [String] {
    var lines = ["connections: \(connections)"]
    for (name, side) in [("client", client), ("server", server)] {
      lines.append("")
      lines.append("\(name):")
      let frames = side.frames.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(
        separator: ", "
      )
      lines.append("  frames            \(side.payloads.count)" + (frames.isEmpty ? "" : " (\(frames))"))
      lines.append("  bytes             \(side.payloads.sum) of payloads, \(side.headerBytes) of headers")
      lines.append("  messages          \(Self.sizes(side.messages))")
      if side.compressed.count > 0 {
        lines.append("  compressed        \(side.compressed.count) messages, \(Self.ratio(side))")
      }
      lines += Self.chart("message sizes", side.messages) { "\($0) B" }
      lines += Self.chart("ping to pong", side.pings) { TimeText.duration(Int64(clamping: $0)) }
      lines += Self.chart("message to answer", side.answers) { TimeText.duration(Int64(clamping: $0)) }
    }
    if !findings.isEmpty { lines.append("") }
    for (rule, count) in findings.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      lines.append("\(count) × \(rule)")
    }
    return lines
  }

  private static func sizes(_ histogram: Histogram) -> String {
    guard histogram.count > 0 else { return "0" }
    let mean = histogram.sum / UInt64(histogram.count)
    return "\(histogram.count), of \(histogram.least) to \(histogram.most) bytes, \(mean) on average"
  }

  private static func ratio(_ side: Side) -> String {
    let (wire, size) = (side.compressed.sum, side.inflated.sum)
    guard size > 0 else { return "\(size) bytes as \(wire)" }
    let tenths = UInt64(Double(wire) / Double(size) * 1000)
    return "\(size) bytes as \(wire): \(tenths / 10).\(tenths % 10) %"
  }

  /// A histogram as bars, one for each power of two.
  private static func chart(_ title: String, _ histogram: Histogram, _ text: (UInt64) -> String) -> [String] {
    guard histogram.count > 0, let highest = histogram.buckets.max(), highest > 0,
      let first = histogram.buckets.firstIndex(where: { $0 > 0 }),
      let last = histogram.buckets.lastIndex(where: { $0 > 0 })
    else { return [] }
    var lines = [
      "  \(title): \(histogram.count), \(text(histogram.least)) to \(text(histogram.most)), "
        + "half below \(text(histogram.bound(at: 0.5))), 99 % below \(text(histogram.bound(at: 0.99)))"
    ]
    for index in first...last {
      let count = histogram.buckets[index]
      let bar = String(repeating: "█", count: count == 0 ? 0 : max(1, count * 40 / highest))
      let bound = index == 0 ? "0" : "< " + text(index == 64 ? .max : 1 << UInt64(index))
      lines.append(
        "    " + bound + String(repeating: " ", count: max(1, 14 - bound.count)) + bar + " \(count)"
      )
    }
    return lines
  }

  /// The statistics as one JSON object.
  public var json: String {
    var object = JSONLine()
    object.add("type", "stats")
    object.add("connections", connections)
    object.add("client", raw: Self.json(client))
    object.add("server", raw: Self.json(server))
    object.add("findings", raw: Self.json(findings))
    return object.text
  }

  private static func json(_ counts: [String: Int]) -> String {
    var object = JSONLine()
    for (name, count) in counts.sorted(by: { $0.key < $1.key }) { object.add(name, count) }
    return object.text
  }

  private static func json(_ side: Side) -> String {
    var object = JSONLine()
    object.add("frames", raw: json(side.frames))
    object.add("headerBytes", side.headerBytes)
    object.add("payloads", raw: json(side.payloads))
    object.add("messages", raw: json(side.messages))
    object.add("compressed", raw: json(side.compressed))
    object.add("inflated", raw: json(side.inflated))
    object.add("pings", raw: json(side.pings))
    object.add("answers", raw: json(side.answers))
    return object.text
  }

  /// `buckets` begins with the zeros, then has the counts below each power of two, up to the last that isn't 0.
  private static func json(_ histogram: Histogram) -> String {
    var object = JSONLine()
    object.add("count", histogram.count)
    object.add("sum", histogram.sum)
    object.add("least", histogram.least)
    object.add("most", histogram.most)
    let last = histogram.buckets.lastIndex { $0 > 0 } ?? -1
    object.add("buckets", raw: "[" + histogram.buckets[...last].map(String.init).joined(separator: ",") + "]")
    return object.text
  }
}
