// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// One direction between the two ends of a ``WebSocketPair``.
///
/// It holds 64 KiB that the receiving end has not read, as the buffers of a system do; the sending end has to wait then.
public final class TestWire: Sendable {
  /// What arrives.
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
    /// Bytes that were sent so far.
    var sent = 0
    /// Bytes that were sent and not read.
    var underWay = 0
    var faults: [Placed] = []
    var delay = Duration.zero
    var pieces = Int.max
    /// Nothing arrives any more.
    var isSilent = false
    /// When what was sent last arrives: nothing overtakes it.
    var lastArrival = NIODeadline.uptimeNanoseconds(0)
  }

  private let state = NIOLockedValueBox(State())
  private let loop: NIOAsyncTestingEventLoop
  private let capacity = 64 << 10

  init(_ loop: NIOAsyncTestingEventLoop) { self.loop = loop }

  /// How many bytes were sent so far, whether they have arrived or not.
  public var sentBytes: Int { state.withLockedValue { $0.sent } }

  /// Lets something go wrong, from now on, or that many bytes from now.
  public func inject(_ fault: NetworkFault) {
    state.withLockedValue { state in
      switch fault {
      case .delay(let delay): state.delay = max(.zero, delay)
      case .pieces(let count): state.pieces = max(1, count)
      case .corrupt(let byte, _): state.place(fault, byte)
      case .lose(let count), .reset(let count), .end(let count): state.place(fault, count)
      }
    }
    // What happens behind 0 bytes happens now.
    loop.execute { self.wake() }
  }

  // MARK: The ends' side, on the event loop

  /// Where things arrive, and who is told that the transport is reset.
  struct Ends {
    let arrived: (Arrival) -> Void
    let reset: () -> Void
  }

  private let ends = NIOLockedValueBox<NIOLoopBound<Ends>?>(nil)

  func connect(_ ends: Ends?) {
    let bound = ends.map { NIOLoopBound($0, eventLoop: loop) }
    self.ends.withLockedValue { $0 = bound }
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

  /// The sending end sends no more.
  func end() { arrive(.end) }

  /// The receiving end has read so much.
  func didRead(_ count: Int) { state.withLockedValue { $0.underWay -= count } }

  /// Does what happens behind the bytes so far.
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
    // A byte that is on its way arrives, whatever happens behind it.
    let bound = NIOLoopBound(arrival, eventLoop: loop)
    loop.scheduleTask(deadline: time) { ends.value.arrived(bound.value) }
  }
}

extension TestWire.State {
  fileprivate mutating func place(_ fault: NetworkFault, _ offset: Int) {
    faults.append(TestWire.Placed(fault: fault, position: sent + max(0, offset)))
  }

  /// How many of the next bytes go before something happens or the piece is full, and what happens then.
  fileprivate mutating func step(_ available: Int) -> (count: Int, event: NetworkFault?) {
    var count = min(available, pieces)
    var next: Int?
    for (index, placed) in faults.enumerated() {
      if case .corrupt = placed.fault { continue }
      guard placed.position - sent <= count else { continue }
      // Of two at the same place, the earlier one comes first.
      if let next, faults[next].position <= placed.position { continue }
      next = index
    }
    guard let next else { return (count, nil) }
    let placed = faults.remove(at: next)
    count = max(0, placed.position - sent)
    return (count, placed.fault)
  }

  /// Counts bytes, and turns those over that are to be corrupt.
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
  /// The same, as far as it has room.
  init(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    self = .nanoseconds(overflow ? .max / 4 : nanoseconds + attoseconds / 1_000_000_000)
  }
}
#endif
