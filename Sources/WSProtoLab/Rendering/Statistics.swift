// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Sizes, compression and round trips of all conversations together. Its size doesn't depend on how much it has seen.
public struct Statistics: Sendable {
  /// Counts by powers of two.
  public struct Histogram: Sendable, Hashable {
    /// How many values were seen.
    public private(set) var count = 0
    /// Their sum; it stays at the largest number rather than overflow.
    public private(set) var sum: UInt64 = 0
    /// The smallest; 0 without values.
    public private(set) var least: UInt64 = 0
    /// The largest; 0 without values.
    public private(set) var most: UInt64 = 0
    /// How many values were 0, and how many were at least 2ⁿ⁻¹ and less than 2ⁿ, for n from 1 to 64.
    public private(set) var buckets = [Int](repeating: 0, count: 65)

    mutating func add(_ value: UInt64) {
      least = count == 0 ? value : min(least, value)
      most = max(most, value)
      count += 1
      let (total, overflow) = sum.addingReportingOverflow(value)
      sum = overflow ? .max : total
      buckets[64 - value.leadingZeroBitCount] += 1
    }

    /// The upper bound of the bucket in which the value at `share` (0 to 1) of all lies.
    public func bound(at share: Double) -> UInt64 {
      var left = Int(Double(count) * share)
      for (index, bucket) in buckets.enumerated() {
        left -= bucket
        if left < 0 || left == 0 && index == 64 {
          return min(most, index == 0 ? 0 : index == 64 ? .max : 1 << UInt64(index))
        }
      }
      return most
    }
  }

  /// What one direction has sent.
  public struct Side: Sendable {
    /// Frames by their opcode's name.
    public var frames: [String: Int] = [:]
    /// The bytes of frames' headers.
    public var headerBytes: UInt64 = 0
    /// The sizes of frames' payloads, in bytes.
    public var payloads = Histogram()
    /// The sizes of messages as received, in bytes.
    public var messages = Histogram()
    /// Compressed messages: their sizes on the wire.
    public var compressed = Histogram()
    /// Compressed messages: their sizes after inflation.
    public var inflated = Histogram()
    /// Nanoseconds from this end's pings to their pongs.
    public var pings = Histogram()
    /// Nanoseconds from this end's messages to the next message of the other end.
    public var answers = Histogram()
  }

  /// The client's side.
  public private(set) var client = Side()
  /// The server's side.
  public private(set) var server = Side()
  /// Connections that are WebSocket.
  public private(set) var connections = 0
  /// Findings by rule.
  public private(set) var findings: [String: Int] = [:]
  /// Findings by severity.
  public private(set) var severities: [Finding.Severity: Int] = [:]

  /// No observations yet.
  public init() {}

  /// Takes an observation.
  public mutating func add(_ observation: Observation) {
    switch observation.content {
    case .opened(let opening):
      if opening.kind == .webSocket || opening.kind == .webSocketUnderWay { connections += 1 }
    case .frame(let frame):
      if let trip = frame.roundTrip {
        change(observation.direction, other: true) { $0.pings.add(UInt64(max(0, trip))) }
      }
      change(observation.direction) {
        $0.frames[frame.head.opcodeName, default: 0] += 1
        $0.headerBytes += UInt64(frame.head.size)
        $0.payloads.add(frame.head.payloadLength)
      }
    case .message(let message):
      if let time = message.answerTime {
        change(observation.direction, other: true) { $0.answers.add(UInt64(max(0, time))) }
      }
      change(observation.direction) {
        $0.messages.add(message.size)
        guard message.isCompressed, !message.isDamaged else { return }
        $0.compressed.add(message.wireBytes)
        $0.inflated.add(message.size)
      }
    case .finding(let finding):
      findings[finding.rule, default: 0] += 1
      severities[finding.severity, default: 0] += 1
    case .request, .response, .closed: break
    }
  }

  private mutating func change(_ direction: Direction?, other: Bool = false, _ body: (inout Side) -> Void) {
    if (direction == .fromServer) != other { body(&server) } else { body(&client) }
  }
}
