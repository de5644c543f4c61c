// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import WSProto

// Where a read must not be taken for one message, and what one may not leave behind.
extension SmallMessageTests {
  /// Long enough: a frame of fewer than 8 bytes is never taken at once.
  static func payload(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 8) }

  // MARK: What must not be taken for a read of one message

  @Test(
    "a read that looks like a message is none inside of a message or of a payload",
    arguments: [false, true]
  )
  func inside(reads: Bool) throws {
    let frame = Self.frame(0x82, [UInt8](1...20), masked: true)
    let between = [Self.frame(0x02, [1], masked: true), frame]
    #expect(Self.events(between, reads: reads).contains { $0.hasPrefix("close") })
    // Masked with zeros, so that the payload is the frame.
    let payload = [[0x82, 0x80 | UInt8(frame.count), 0, 0, 0, 0], frame]
    #expect(Self.events(payload, reads: reads).first == "binary \(frame)")
  }

  @Test("a read of one message goes through inbound hooks", arguments: [false, true])
  func hooks(reads: Bool) throws {
    let connection = Connection(.server, extensions: [Inverting()])
    var found: [[UInt8]] = []
    try Self.receive(connection, Self.frame(0x82, [1, 2, 3], masked: true), reads: reads) {
      if case .bytesMessage(let message) = $0 { found.append(Array(Bytes(copying: message.data))) }
    }
    #expect(found.flatMap { $0 } == [0xFE, 0xFD, 0xFC])
  }

  @Test("a read of one message comes after what an earlier call has left", arguments: [false, true])
  func order(reads: Bool) throws {
    struct Stop: Error {}
    let connection = Connection(.server)
    let frames = (1...3).map { Self.frame(0x82, Self.payload($0), masked: true) }
    #expect(throws: Stop.self) {
      try Self.receive(connection, frames[0] + frames[1], reads: reads) { _ in throw Stop() }
    }
    var found: [UInt8] = []
    try Self.receive(connection, frames[2], reads: reads) {
      if case .bytesMessage(let message) = $0 { found += Array(Bytes(copying: message.data)) }
    }
    #expect(found == Self.payload(2) + Self.payload(3))
  }

  @Test("nothing is delivered after the end", arguments: [false, true])
  func afterTheEnd(reads: Bool) throws {
    let frame = Self.frame(0x82, Self.payload(1), masked: true)
    let ended = Connection(.server)
    try ended.receiveEndOfStream()
    #expect(ended.nextEvent() != nil)
    let closed = Connection(.server)
    try Self.receive(closed, Self.frame(0x88, [], masked: true), reads: false) { _ in }
    for connection in [ended, closed] {
      try Self.receive(connection, frame, reads: reads) { _ in Issue.record("an event after the end") }
    }
  }

  @Test("the closure must not receive on its own connection, but may on another and may send")
  func reentrance() async throws {
    await #expect(processExitsWith: .failure) {
      let one = Connection(.client)
      var outer: [UInt8] = [0x82, 8] + SmallMessageTests.payload(7)
      outer.withUnsafeMutableBytes {
        one.receive($0) { _ in
          var inner: [UInt8] = [0x82, 8] + SmallMessageTests.payload(7)
          inner.withUnsafeMutableBytes { one.receive($0) { _ in } }
        }
      }
    }
    let one = Connection(.server)
    let other = Connection(.server)
    let frame = Self.frame(0x82, Self.payload(7), masked: true)
    for reads in [false, true] {
      var output: [UInt8] = []
      try Self.receive(one, frame, reads: reads) { _ in
        try Self.receive(other, frame, reads: reads) { _ in
          try one.sendBytes(([1] as [UInt8]).span.bytes, into: &output)
          try other.sendBytes(([2] as [UInt8]).span.bytes, into: &output)
        }
      }
      #expect(output == [0x82, 1, 1, 0x82, 1, 2])
    }
  }

  @Test(
    "the place of a message is told for a chunk, and not for a read",
    arguments: [ConnectionType.server, .client]
  )
  func place(role: ConnectionType) throws {
    for count in [10, 200] {
      let frame = Self.frame(0x82, [UInt8](repeating: 1, count: count), masked: role == .server)
      for (reads, expected) in [(false, frame.count - count), (true, nil)] as [(Bool, Int?)] {
        let connection = Connection(role)
        var seen = 0
        try Self.receive(connection, frame, reads: reads) {
          guard case .bytesMessage(let message) = $0 else { return }
          #expect(message.offset == expected)
          #expect(message.frameFinished && message.messageFinished)
          seen += 1
        }
        #expect(seen == 1)
      }
    }
  }

  // MARK: What is held

  @Test("a read of one message gives the thread's block back, also where a closure throws")
  func block() throws {
    struct Stop: Error {}
    let frame = Self.frame(0x82, [1, 2, 3], masked: true)
    // Puts a block into the slot of this thread, or leaves the one that is there.
    func slotHasBlock() -> Bool {
      guard let block = SpareStorage.ofThread(upTo: 16384) else { return false }
      SpareStorage.keep(block)
      return true
    }
    SpareStorage.keep(Unmanaged.passRetained(ByteStorage.allocate(Retention.receiveBuffer)))
    #expect(slotHasBlock())
    let connection = Connection(.server)
    try Self.receive(connection, frame, reads: true) { _ in #expect(!slotHasBlock()) }
    #expect(slotHasBlock())
    #expect(throws: Stop.self) { try Self.receive(connection, frame, reads: true) { _ in throw Stop() } }
    #expect(slotHasBlock())
    #expect(throws: Stop.self) {
      try connection.receive(
        upTo: 16384,
        reading: { (_) throws(Stop) in throw Stop() },
        { (_) throws(Stop) in }
      )
    }
    #expect(slotHasBlock())
    #expect(connection.buffer.window == nil)
  }

  @Test(
    "a read of one message releases what a larger one has left behind",
    arguments: [false, true],
    [ConnectionType.server, .client]
  )
  func leftBehind(reads: Bool, role: ConnectionType) throws {
    struct Stop: Error {}
    let masked = role == .server
    let large = [UInt8](repeating: 1, count: 30_000)
    let small = Self.frame(0x82, Self.payload(1), masked: masked)
    let thrown = Connection(role, configuration: Configuration(delivery: .wholeMessages))
    #expect(throws: Stop.self) {
      try Self.receive(
        thrown,
        Self.frame(0x02, large, masked: masked) + Self.frame(0x80, large, masked: masked),
        reads: reads
      ) { _ in throw Stop() }
    }
    let untaken = Connection(role, configuration: Configuration(delivery: .wholeMessages))
    try Self.frame(0x82, large, masked: masked).withUnsafeBytes { try untaken.receiveData($0) }
    #expect(untaken.nextEvent() != nil)
    for connection in [thrown, untaken] {
      try Self.receive(connection, small, reads: reads) { _ in }
      let held = connection.inbound.heldBytes
      #expect(held == 0)
      #expect(connection.buffer.window == nil)
    }
  }
}
