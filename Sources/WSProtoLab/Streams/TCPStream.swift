// SPDX-License-Identifier: Apache-2.0

/// One direction of a TCP connection, put together from its segments: each byte once and in order, whatever was
/// retransmitted, reordered or lost on the way to the capture (RFC 9293 §3.10).
struct TCPStream {
  /// What comes next in the stream.
  enum Step {
    case bytes(ArraySlice<UInt8>, time: CaptureTime?)
    /// This many bytes are not in the capture.
    case gap(Int)
    case end
  }

  private struct Early {
    var offset: Int
    var bytes: [UInt8]
    var missing: Int
    var time: CaptureTime?
  }

  /// The sequence number of the next byte; `nil` before the first segment.
  private var next: UInt32?
  /// The offset of the next byte in the stream.
  private(set) var offset = 0
  /// Segments that came before their turn, by offset.
  private var early: [Early] = []
  /// Where the stream ends.
  private var end: Int?
  private var hasEnded = false
  /// The highest offset that the other end has acknowledged: bytes before it have been there.
  private var acknowledged = 0
  /// How many segments have come since the first one that had to wait.
  private var waitedFor = 0

  /// How many bytes wait for those before them.
  private(set) var earlyBytes = 0
  /// How many bytes came twice.
  private(set) var repeatedBytes = 0
  /// How many segments came before their turn.
  private(set) var reorderedSegments = 0
  /// How many bytes were passed over as lost.
  private(set) var lostBytes = 0

  /// Bytes that may wait in one direction. A window of TCP is seldom larger.
  private static let maxEarlyBytes = 1 << 20
  /// Segments that may wait in one direction: each costs more than its bytes.
  private static let maxEarlySegments = 4096
  /// How many further segments are awaited after an acknowledgement says that the missing bytes did arrive.
  private static let patience = 64

  /// Takes a segment, and calls `each` with what can be read now.
  mutating func receive(_ segment: TCPSegment, at time: CaptureTime?, _ each: (Step) -> Void) {
    guard !hasEnded else { return }
    let first = segment.isSYN ? segment.sequence &+ 1 : segment.sequence
    let expected: UInt32
    if let next {
      expected = next
    } else {
      next = first
      expected = first
    }
    // The distance modulo 2³² tells before from behind as long as it is below 2³¹ (RFC 9293 §3.4).
    let start = offset + Int(Int32(bitPattern: first &- expected))
    let length = segment.payload.count + segment.missing
    if segment.isFIN, start + length >= offset { end = start + length }
    if length > 0 { place(segment, start, at: time, each) }
    drain(each)
    if !early.isEmpty {
      waitedFor += 1
      if earlyBytes > Self.maxEarlyBytes || early.count > Self.maxEarlySegments || isKnownLost {
        passGap(each)
      }
    }
    finishIfComplete(each)
  }

  /// The other direction has acknowledged everything before this sequence number.
  mutating func acknowledge(_ number: UInt32) {
    guard let next else { return }
    acknowledged = max(acknowledged, offset + Int(Int32(bitPattern: number &- next)))
  }

  /// Passes over what is missing before the first waiting segment: nothing more will come, or no memory is left for it.
  mutating func passGap(_ each: (Step) -> Void) {
    guard let first = early.first else { return }
    lose(first.offset - offset, each)
    waitedFor = 0
    drain(each)
  }

  /// The capture has ended: passes over all gaps.
  mutating func finish(_ each: (Step) -> Void) {
    while !early.isEmpty { passGap(each) }
    guard !hasEnded else { return }
    if let end, end > offset { lose(end - offset, each) }
    finishIfComplete(each)
  }

  private var isKnownLost: Bool {
    guard let first = early.first else { return false }
    return acknowledged >= first.offset && waitedFor > Self.patience
  }

  /// Gives the new part of a segment, or keeps it until its turn.
  private mutating func place(
    _ segment: TCPSegment,
    _ start: Int,
    at time: CaptureTime?,
    _ each: (Step) -> Void
  ) {
    if start <= offset {
      let known = offset - start
      let fresh = segment.payload.count - known
      repeatedBytes += min(known, segment.payload.count)
      if fresh > 0 { give(segment.payload.after(known), at: time, each) }
      // What the snap length has cut off may come with a retransmission only if it was sent again; it is taken as lost.
      if segment.missing > 0 { lose(start + segment.payload.count + segment.missing - offset, each) }
      return
    }
    reorderedSegments += 1
    var low = 0
    var high = early.count
    while low < high {
      let middle = (low + high) / 2
      if early[middle].offset < start { low = middle + 1 } else { high = middle }
    }
    if low < early.count, early[low].offset == start,
      early[low].bytes.count + early[low].missing >= segment.payload.count + segment.missing
    {
      repeatedBytes += segment.payload.count
      return
    }
    if early.isEmpty { waitedFor = 0 }
    earlyBytes += segment.payload.count
    early.insert(
      Early(offset: start, bytes: Array(segment.payload), missing: segment.missing, time: time),
      at: low
    )
  }

  /// Gives the waiting segments whose turn has come.
  private mutating func drain(_ each: (Step) -> Void) {
    var drained = 0
    while drained < early.count, early[drained].offset <= offset {
      let segment = early[drained]
      drained += 1
      earlyBytes -= segment.bytes.count
      let known = offset - segment.offset
      if known < segment.bytes.count {
        repeatedBytes += known
        give(segment.bytes[known...], at: segment.time, each)
      } else {
        repeatedBytes += segment.bytes.count
      }
      if segment.missing > 0 { lose(segment.offset + segment.bytes.count + segment.missing - offset, each) }
    }
    if drained > 0 { early.removeFirst(drained) }
  }

  private mutating func give(_ bytes: ArraySlice<UInt8>, at time: CaptureTime?, _ each: (Step) -> Void) {
    advance(bytes.count)
    each(.bytes(bytes, time: time))
  }

  private mutating func lose(_ count: Int, _ each: (Step) -> Void) {
    guard count > 0 else { return }
    advance(count)
    lostBytes += count
    each(.gap(count))
  }

  private mutating func advance(_ count: Int) {
    offset += count
    next = next.map { $0 &+ UInt32(truncatingIfNeeded: count) }
  }

  private mutating func finishIfComplete(_ each: (Step) -> Void) {
    guard let end, offset >= end, early.isEmpty, !hasEnded else { return }
    hasEnded = true
    each(.end)
  }
}
