// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// One direction of the network between the two ends of a ``WebSocketPair``.
///
/// Like the buffers of an operating system, it holds up to 64 KiB that the receiving end hasn't read. Beyond that, the
/// sending end has to wait.
public final class TestWire: Sendable {
  /// What arrives at the receiving end.
  enum Arrival {
    case bytes(ByteBuffer)
    case end
    case reset
  }

  /// A fault, and the byte from which on it happens.
  fileprivate struct Placed {
    let fault: NetworkFault
    let position: Int
  }

  fileprivate struct State {
    /// The number of bytes sent so far.
    var sent = 0
    /// The number of bytes sent but not yet read.
    var underWay = 0
    var faults: [Placed] = []
    var delay = Duration.zero
    var pieces = Int.max
    /// Whether nothing arrives any more.
    var isSilent = false
    /// When the last sent data arrives: nothing may overtake it.
    var lastArrival = NIODeadline.uptimeNanoseconds(0)
    /// The arrivals to come, in order.
    var scheduled = CircularBuffer<Scheduled<Void>>()
  }

  private let state = NIOLockedValueBox(State())
  private let loop: NIOAsyncTestingEventLoop
  private let capacity = 64 << 10

  init(_ loop: NIOAsyncTestingEventLoop) { self.loop = loop }

  /// The number of bytes sent so far, whether they have arrived or not.
  public var sentBytes: Int { state.withLockedValue { $0.sent } }

  /// Injects a fault, which takes effect now or after its number of bytes.
  public func inject(_ fault: NetworkFault) {
    state.withLockedValue { state in
      switch fault {
      case .delay(let delay): state.delay = max(.zero, delay)
      case .pieces(let count): state.pieces = max(1, count)
      case .corrupt(let byte, _): state.place(fault, byte)
      case .lose(let count), .reset(let count), .end(let count): state.place(fault, count)
      }
    }
    // A fault after 0 bytes happens now.
    loop.execute { self.wake() }
  }

  // MARK: The ends, on the event loop

  /// Receives arrivals, and is told about a reset.
  struct Ends {
    let arrived: (Arrival) -> Void
    let reset: () -> Void
  }

  private let ends = NIOLockedValueBox<NIOLoopBound<Ends>?>(nil)

  func connect(_ ends: Ends?) {
    let bound = ends.map { NIOLoopBound($0, eventLoop: loop) }
    self.ends.withLockedValue { $0 = bound }
    guard bound == nil else { return }
    // What never arrives must not keep the event loop, and so everything else, alive.
    let scheduled = state.withLockedValue { state in
      defer { state.scheduled = CircularBuffer() }
      return state.scheduled
    }
    for arrival in scheduled { arrival.cancel() }
  }

  /// Whether the sending end may send.
  var hasRoom: Bool { state.withLockedValue { $0.underWay < capacity } }

  /// Sends bytes.
  func send(_ bytes: ByteBuffer) {
    var bytes = bytes
    while bytes.readableBytes > 0 {
      let (count, event) = state.withLockedValue { $0.step(bytes.readableBytes) }
      if count > 0, let piece = bytes.readSlice(length: count) {
        let (piece, isLost) = state.withLockedValue { $0.transfer(piece) }
        if !isLost { arrive(.bytes(piece)) }
      }
      if let event { happen(event) }
    }
    wake()
  }

  /// Ends sending.
  func end() { arrive(.end) }

  /// Records that the receiving end has read some bytes.
  func didRead(_ count: Int) { state.withLockedValue { $0.underWay -= count } }

  /// Triggers the faults that are due after the bytes sent so far.
  private func wake() {
    while true {
      let (_, event) = state.withLockedValue { $0.step(0) }
      guard let event else { return }
      happen(event)
    }
  }

  private func happen(_ event: NetworkFault) {
    switch event {
    case .reset:
      arrive(.reset)
      ends.withLockedValue { $0 }?.value.reset()
    case .end: arrive(.end)
    case .lose: state.withLockedValue { $0.isSilent = true }
    case .delay, .pieces, .corrupt: break
    }
  }

  private func arrive(_ arrival: Arrival) {
    let time: NIODeadline? = state.withLockedValue { state in
      if state.isSilent { return nil }
      state.lastArrival = max(state.lastArrival, loop.now + TimeAmount(state.delay))
      return state.lastArrival
    }
    guard let time, let ends = ends.withLockedValue({ $0 }) else { return }
    // A byte already on its way arrives, whatever happens after it.
    let bound = NIOLoopBound(arrival, eventLoop: loop)
    let scheduled = loop.scheduleTask(deadline: time) {
      self.state.withLockedValue { _ = $0.scheduled.popFirst() }
      ends.value.arrived(bound.value)
    }
    state.withLockedValue { $0.scheduled.append(scheduled) }
  }
}

extension TestWire.State {
  fileprivate mutating func place(_ fault: NetworkFault, _ offset: Int) {
    faults.append(TestWire.Placed(fault: fault, position: sent + max(0, offset)))
  }

  /// The number of bytes to send before the next fault or the end of the piece, and the fault that happens then.
  fileprivate mutating func step(_ available: Int) -> (count: Int, event: NetworkFault?) {
    var count = min(available, pieces)
    var next: Int?
    for (index, placed) in faults.enumerated() {
      if case .corrupt = placed.fault { continue }
      guard placed.position - sent <= count else { continue }
      // Of two faults at the same position, the one injected first happens first.
      if let next, faults[next].position <= placed.position { continue }
      next = index
    }
    guard let next else { return (count, nil) }
    let placed = faults.remove(at: next)
    count = max(0, placed.position - sent)
    return (count, placed.fault)
  }

  /// Counts bytes, and flips the bits of those to be corrupted.
  fileprivate mutating func transfer(_ piece: ByteBuffer) -> (ByteBuffer, isLost: Bool) {
    var piece = piece
    let range = sent..<(sent + piece.readableBytes)
    faults.removeAll { placed in
      guard case .corrupt(_, let bits) = placed.fault, range.contains(placed.position) else { return false }
      let index = piece.readerIndex + placed.position - range.lowerBound
      piece.setInteger((piece.getInteger(at: index) ?? 0) ^ bits, at: index)
      return true
    }
    sent = range.upperBound
    if !isSilent { underWay += piece.readableBytes }
    return (piece, isSilent)
  }
}

extension TimeAmount {
  /// The same duration, clamped if it is too long.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    self = .nanoseconds(overflow ? .max / 4 : nanoseconds + attoseconds / 1_000_000_000)
  }
}
#endif
