// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import WSProto

/// What the network does to one direction of a conversation, at one byte of it.
struct TransportFault: Hashable {
  enum Kind: CaseIterable {
    /// None: to record what is sent.
    case none
    /// What is sent at once comes in two reads.
    case split
    /// The byte comes when all else has come to rest, and alone.
    case delay
    /// From there on nothing comes until all else has come to rest; then everything comes at once.
    case coalesce
    /// The stream ends, both ways.
    case drop
    /// The connection is reset, both ways.
    case reset

    var cuts: Bool { self == .drop || self == .reset }
  }

  var kind: Kind
  /// Who receives what is disturbed.
  var receiver: ConnectionType
  /// How many bytes come before.
  var position: Int
}

/// Two ends, with a proxy between their sockets that does one fault to the bytes of one direction. All in one thread:
/// who waits, waits for bytes that were written already, so that a wait that lasts is an error.
struct FaultProxy {
  private struct Direction {
    let from: TestSocket
    let to: TestSocket
    let receiver: FaultyEnd
    let sender: FaultyEnd
    /// Read, and not yet passed on.
    var held: [UInt8] = []
    var passed = 0
    var isReleased = false
    var hasEnded = false
  }

  private var directions: [Direction]
  private let fault: TransportFault
  let client: FaultyEnd
  let server: FaultyEnd
  /// Whether somebody has waited in vain.
  private(set) var hangs = false

  init(_ fault: TransportFault, doors: [FaultyEnd.Door], compresses: Bool) throws {
    self.fault = fault
    let pair = fault.kind == .reset ? TestSocket.tcpPair : TestSocket.localPair
    let (toClient, clientSocket) = try pair()
    let (toServer, serverSocket) = try pair()
    client = FaultyEnd(.client, clientSocket, door: doors[0], compresses: compresses)
    server = FaultyEnd(.server, serverSocket, door: doors[1], compresses: compresses)
    directions = [
      Direction(from: toClient, to: toServer, receiver: server, sender: client),
      Direction(from: toServer, to: toClient, receiver: client, sender: server),
    ]
  }

  /// Runs the conversation to its end.
  mutating func run() {
    // Each step moves a byte at least, or is the last.
    for _ in 0..<10_000 where !hangs {
      var moved = false
      for index in directions.indices {
        take(index)
        if isCut(index) { return cut() }
        moved = pass(index) || moved
      }
      if !moved, !release() { return }
    }
    hangs = true
  }

  private func faulty(_ index: Int) -> Bool { directions[index].receiver.role == fault.receiver }

  /// Reads what the sender has written.
  private mutating func take(_ index: Int) {
    var left = directions[index].sender.flush()
    while left > 0 {
      var room = [UInt8](repeating: 0, count: left)
      guard case .bytes(let count) = room.withUnsafeMutableBytes({ directions[index].from.read(into: $0) })
      else {
        hangs = true
        return
      }
      directions[index].held += room.prefix(count)
      left -= count
    }
  }

  /// Whether the stream ends here.
  private func isCut(_ index: Int) -> Bool {
    guard fault.kind.cuts, faulty(index) else { return false }
    let direction = directions[index]
    return direction.passed == fault.position
      && (!direction.held.isEmpty || direction.sender.state == .closed)
  }

  /// Passes on what may come now; whether anything did.
  private mutating func pass(_ index: Int) -> Bool {
    var count = directions[index].held.count
    if faulty(index), fault.kind != .none, !directions[index].isReleased {
      // Up to the byte, which is then looked at again.
      let before = fault.position - directions[index].passed
      if before >= 0 { count = min(count, before) }
      if count == 0, before <= 0, fault.kind == .split {
        directions[index].isReleased = true
        count = directions[index].held.count
      }
    }
    if count == 0 { return end(index) }
    deliver(index, count)
    return true
  }

  private mutating func deliver(_ index: Int, _ count: Int) {
    let bytes = directions[index].held.prefix(count)
    directions[index].held.removeFirst(count)
    directions[index].passed += count
    if !directions[index].to.write(bytes) || !directions[index].receiver.receive(count) { hangs = true }
  }

  /// Passes the end of the stream on.
  private mutating func end(_ index: Int) -> Bool {
    let direction = directions[index]
    guard direction.held.isEmpty, !direction.hasEnded, direction.sender.finish() else { return false }
    directions[index].hasEnded = true
    direction.to.finishWriting()
    if !direction.receiver.receive(nil) { hangs = true }
    return true
  }

  /// All has come to rest: lets go what was held back; whether there was something.
  private mutating func release() -> Bool {
    for index in directions.indices where faulty(index) && !directions[index].isReleased {
      directions[index].isReleased = true
      guard !directions[index].held.isEmpty else { return false }
      deliver(index, fault.kind == .delay ? 1 : directions[index].held.count)
      return true
    }
    return false
  }

  private mutating func cut() {
    for direction in directions {
      if fault.kind == .reset { direction.to.reset() } else { direction.to.close() }
    }
    for direction in directions where !direction.receiver.receive(nil) { hangs = true }
  }
}
#endif
