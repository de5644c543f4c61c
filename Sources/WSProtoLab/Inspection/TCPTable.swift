// SPDX-License-Identifier: Apache-2.0

/// The TCP connections under way in a capture, each with its two streams and its ``Conversation``.
struct TCPTable {
  fileprivate struct Pair: Hashable {
    var first: Endpoint
    var second: Endpoint

    init(_ one: Endpoint, _ other: Endpoint) {
      (first, second) = one.precedes(other) ? (one, other) : (other, one)
    }
  }

  private final class Entry {
    let conversation: Conversation
    /// Who sent the first segment seen; its stream is the first.
    let opener: Endpoint
    var streams = [TCPStream(), TCPStream()]
    var ended = [false, false]
    /// The number of the last packet, to find the connection that has been idle longest.
    var lastUse = 0

    init(_ conversation: Conversation, opener: Endpoint) {
      self.conversation = conversation
      self.opener = opener
    }
  }

  private let output: InspectionOutput
  private let maxConnections: Int
  private var entries: [Pair: Entry] = [:]
  private var over = OverPairs()
  private var uses = 0
  /// Bytes that wait for those before them, over all connections.
  private var earlyBytes = 0
  private static let maxEarlyBytes = 64 << 20

  init(_ output: InspectionOutput, maxConnections: Int) {
    self.output = output
    self.maxConnections = max(1, maxConnections)
  }

  /// Takes a segment.
  mutating func receive(_ segment: TCPSegment, at time: CaptureTime?) {
    uses += 1
    let pair = Pair(segment.source, segment.destination)
    if segment.isSYN, segment.acknowledged == nil, let old = entries[pair], old.conversation.hasData {
      // The same ports are used again.
      close(pair, .reused, at: time)
    }
    let entry: Entry
    if let known = entries[pair] {
      entry = known
    } else {
      // The rest of a connection that is over: acknowledgements without data, and data that comes once more.
      if segment.payload.isEmpty, segment.missing == 0, !segment.isSYN { return }
      if segment.isSYN { over.remove(pair) } else if over.contains(pair) { return }
      if entries.count >= maxConnections { evict(at: time) }
      // The answer to a SYN comes from the server.
      let isAnswer = segment.isSYN && segment.acknowledged != nil
      let opener = isAnswer ? segment.destination : segment.source
      entry = Entry(
        Conversation(
          output,
          opener: opener,
          other: isAnswer ? segment.source : segment.destination,
          isComplete: segment.isSYN
        ),
        opener: opener
      )
      entries[pair] = entry
    }
    entry.lastUse = uses
    let index = segment.source == entry.opener ? 0 : 1
    let before = entry.streams[0].earlyBytes + entry.streams[1].earlyBytes
    if let acknowledged = segment.acknowledged { entry.streams[1 - index].acknowledge(acknowledged) }
    entry.streams[index].receive(segment, at: time) { Self.pass($0, entry, index, time) }
    earlyBytes += entry.streams[0].earlyBytes + entry.streams[1].earlyBytes - before
    if earlyBytes > Self.maxEarlyBytes {
      let waiting = entry.streams[index].earlyBytes
      entry.streams[index].passGap { Self.pass($0, entry, index, time) }
      earlyBytes += entry.streams[index].earlyBytes - waiting
    }
    if segment.isRST {
      close(pair, .reset, at: time)
    } else if entry.ended[0], entry.ended[1] {
      close(pair, .finished, at: time)
    }
  }

  /// The capture has ended.
  mutating func finish() {
    let order = entries.sorted { $0.value.conversation.number < $1.value.conversation.number }
    for (pair, _) in order { close(pair, .captureEnded, at: nil) }
  }

  private static func pass(_ step: TCPStream.Step, _ entry: Entry, _ index: Int, _ time: CaptureTime?) {
    switch step {
    case .bytes(let bytes, let arrived): entry.conversation.receive(bytes, from: index, at: arrived)
    case .gap(let count): entry.conversation.lose(count, from: index, at: time)
    case .end:
      entry.ended[index] = true
      entry.conversation.end(of: index, at: time)
    }
  }

  private mutating func close(_ pair: Pair, _ reason: ConnectionEnd, at time: CaptureTime?) {
    guard let entry = entries.removeValue(forKey: pair) else { return }
    for index in 0...1 {
      earlyBytes -= entry.streams[index].earlyBytes
      entry.streams[index].finish { Self.pass($0, entry, index, time) }
    }
    if reason == .finished || reason == .reset { over.insert(pair) }
    let transport = TransportSummary(entry.streams)
    entry.conversation.close(reason, transport, at: time)
  }

  /// Makes room: closes the eighth of the connections that have been idle longest.
  private mutating func evict(at time: CaptureTime?) {
    let idle = entries.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(max(1, maxConnections / 8))
    for (pair, _) in idle { close(pair, .forgotten, at: time) }
  }
}

/// Connections that are over: the last few thousand. What is sent again after their end begins no new connection.
private struct OverPairs {
  private var pairs: Set<TCPTable.Pair> = []
  private var order: [TCPTable.Pair] = []
  private var next = 0
  private static let most = 4096

  func contains(_ pair: TCPTable.Pair) -> Bool { pairs.contains(pair) }

  mutating func remove(_ pair: TCPTable.Pair) { pairs.remove(pair) }

  mutating func insert(_ pair: TCPTable.Pair) {
    guard pairs.insert(pair).inserted else { return }
    if order.count < Self.most {
      order.append(pair)
    } else {
      // One that was removed meanwhile, and is over again, is forgotten a little early.
      pairs.remove(order[next])
      order[next] = pair
      next = (next + 1) % Self.most
    }
  }
}
