// SPDX-License-Identifier: Apache-2.0

/// The steps of a direction that haven't been carried out yet.
struct StepQueue {
  private struct Waiting {
    var step: ProxyConnection.Step
    /// How many bytes are written at a time.
    var segmentBytes: Int
    /// How many bytes have been returned.
    var given = 0
  }

  private var waiting: [Waiting] = []
  private var first = 0
  /// How many bytes wait.
  private(set) var byteCount = 0

  var isEmpty: Bool { first == waiting.count }

  mutating func add(_ step: ProxyConnection.Step, segmentBytes: Int) {
    if case .bytes(let bytes) = step.action {
      guard !bytes.isEmpty else { return }
      byteCount += bytes.count
    }
    waiting.append(Waiting(step: step, segmentBytes: segmentBytes))
  }

  /// Returns the next step, or the next segment of a step.
  mutating func next() -> ProxyConnection.Step? {
    guard first < waiting.count else { return nil }
    var step = waiting[first].step
    if case .bytes(let bytes) = step.action {
      let given = waiting[first].given
      let count = min(bytes.count - given, waiting[first].segmentBytes)
      byteCount -= count
      if given + count < bytes.count {
        waiting[first].given += count
        step.action = .bytes(Array(bytes[given..<given + count]))
        return step
      }
      if given > 0 { step.action = .bytes(Array(bytes[given...])) }
    }
    waiting[first].step.action = .bytes([])
    first += 1
    // Removes used elements in batches, so that taking a step takes constant time on average.
    if first == waiting.count {
      waiting = []
      first = 0
    } else if first >= 64, first * 2 >= waiting.count {
      waiting.removeFirst(first)
      first = 0
    }
    return step
  }
}
