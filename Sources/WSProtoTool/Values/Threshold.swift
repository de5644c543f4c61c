// SPDX-License-Identifier: Apache-2.0

#if Tool
import WSProtoLab

/// A bound on a result of `bench`, such as `p99<10ms` or `rate>5000`.
package struct Threshold: Equatable, Sendable, CustomStringConvertible {
  /// What is measured.
  package enum Metric: Equatable, Sendable {
    /// A percentile of the round trips.
    case roundTrip(Double)
    /// A percentile of the handshakes.
    case handshake(Double)
    /// Messages a second that came back.
    case rate
    /// Messages that did not come back.
    case lost
    /// Connections that could not be opened, or were lost.
    case errors
  }

  package let metric: Metric
  package let isUpperBound: Bool
  /// Nanoseconds, messages a second, or a count.
  package let bound: Double
  package let description: String

  /// - Returns: `nil` if the text is no threshold.
  package init?(_ text: String) {
    guard let sign = text.firstIndex(where: { $0 == "<" || $0 == ">" }) else { return nil }
    let name = text[..<sign].lowercased()
    let value = text[text.index(after: sign)...]
    isUpperBound = text[sign] == "<"
    description = text
    func percentile(_ digits: some StringProtocol) -> Double? {
      guard let number = Double(digits), number > 0, number <= 100 else { return nil }
      return number
    }
    switch name {
    case "rate": metric = .rate
    case "lost": metric = .lost
    case "errors": metric = .errors
    case "max": metric = .roundTrip(100)
    case _ where name.hasPrefix("handshake-p"):
      guard let number = percentile(name.dropFirst(11)) else { return nil }
      metric = .handshake(number)
    case _ where name.hasPrefix("p"):
      guard let number = percentile(name.dropFirst()) else { return nil }
      metric = .roundTrip(number)
    default: return nil
    }
    switch metric {
    case .roundTrip, .handshake:
      guard let duration = DurationText.parse(value) else { return nil }
      bound = duration / .nanoseconds(1)
    case .rate, .lost, .errors:
      guard let number = Double(value), number.isFinite, number >= 0 else { return nil }
      bound = number
    }
  }

  /// Whether `value` keeps it.
  package func isKept(by value: Double) -> Bool { isUpperBound ? value < bound : value > bound }
}
#endif
