// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import WSProtoLab
import WSProtoTool

/// The results of a measurement, for people and for machines, and what they mean for the thresholds.
struct BenchReport {
  private let plan: BenchPlan
  private let results: BenchResults
  private static let percentiles = [50, 75, 90, 99, 99.9, 100]

  init(_ plan: BenchPlan, _ results: BenchResults) {
    self.plan = plan
    self.results = results
  }

  private var rate: Double {
    let seconds = results.time / .seconds(1)
    return seconds > 0 ? Double(results.received) / seconds : 0
  }

  private var lost: Int { results.sent - results.received }
  private var errors: Int { results.failed + results.lostConnections + results.changed }

  // MARK: For people

  var lines: [String] {
    var lines = [
      "connections  \(results.opened) opened, \(results.failed) failed, \(results.lostConnections) lost",
      "messages     \(results.sent) sent, \(results.received) answered, \(lost) lost, \(results.changed) changed",
      "throughput   \(Int(rate)) messages a second, \(SizeText.format(rate * Double(plan.size))) a second each way",
      "handshake    " + Self.summary(results.handshakes),
      "round trip   " + Self.summary(results.roundTrips) + " (\(howMeasured))",
    ]
    if let failure = results.firstFailure { lines.append("first error  " + shown(failure.description)) }
    if let note { lines.append("note         " + note) }
    return lines + [""] + results.roundTrips.bars()
  }

  /// What the figures do not say.
  private var note: String? {
    if results.isCut { return "stopped before its end: messages that were under way count as lost" }
    if results.sent > 0, results.received == 0 {
      return "nothing was answered: does the server echo messages?"
    }
    if results.changed > 0 { return "answers differ from what was sent: does the server echo messages?" }
    return nil
  }

  private var howMeasured: String {
    plan.rate == nil ? "each connection sends when it was answered" : "from when each message was due"
  }

  private static func summary(_ histogram: LatencyHistogram) -> String {
    if histogram.count == 0 { return "none" }
    return percentiles.map { percent in
      let value = DurationText.format(nanoseconds: histogram.percentile(percent))
      return percent == 100 ? "max \(value)" : "p\(name(percent)) \(value)"
    }.joined(separator: ", ")
  }

  private static func name(_ percent: Double) -> String {
    percent == percent.rounded() ? String(Int(percent)) : String(percent)
  }

  // MARK: For machines

  var json: JSONLine {
    var line = JSONLine()
    line.add("connections", plan.connections)
    line.add("opened", results.opened)
    line.add("failed", results.failed)
    line.add("lostConnections", results.lostConnections)
    line.add("sent", results.sent)
    line.add("answered", results.received)
    line.add("lost", lost)
    line.add("changed", results.changed)
    line.add("messageBytes", plan.size)
    line.add("seconds", results.time / .seconds(1))
    line.add("messagesPerSecond", rate)
    line.add("measuredFrom", plan.rate == nil ? "sent" : "due")
    line.add("handshakeMicroseconds", Self.object(results.handshakes))
    line.add("roundTripMicroseconds", Self.object(results.roundTrips))
    line.add("missed", missed.map(\.0).joined(separator: " "))
    return line
  }

  private static func object(_ histogram: LatencyHistogram) -> JSONLine {
    var line = JSONLine()
    for percent in percentiles {
      line.add(percent == 100 ? "max" : "p\(name(percent))", histogram.percentile(percent) / 1000)
    }
    line.add("mean", histogram.mean / 1000)
    return line
  }

  // MARK: Thresholds

  /// Those that were missed, with what was measured.
  var missed: [(String, String)] {
    plan.thresholds.compactMap { threshold in
      let (value, text) = measured(threshold.metric)
      return threshold.isKept(by: value) ? nil : (threshold.description, text)
    }
  }

  private func measured(_ metric: Threshold.Metric) -> (Double, String) {
    switch metric {
    case .roundTrip(let percent): Self.percentile(results.roundTrips, percent)
    case .handshake(let percent): Self.percentile(results.handshakes, percent)
    case .rate: (rate, "\(Int(rate))")
    case .lost: (Double(lost), "\(lost)")
    case .errors: (Double(errors), "\(errors)")
    }
  }

  /// Nothing measured keeps no bound on a time.
  private static func percentile(_ histogram: LatencyHistogram, _ percent: Double) -> (Double, String) {
    if histogram.count == 0 { return (.nan, "nothing measured") }
    let value = histogram.percentile(percent)
    return (value, DurationText.format(nanoseconds: value))
  }
}

extension Terminal {
  /// A line on standard error that the next one replaces.
  static func showProgress(_ text: String) { writeError("\r\u{1b}[K" + text) }

  static func clearProgress() { writeError("\r\u{1b}[K") }
}
#endif
