// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct ReceiveBufferTests {
  static func append(_ buffer: inout ReceiveBuffer, _ bytes: [UInt8], expected: UInt64 = 0) {
    bytes.withUnsafeBytes { buffer.append($0, expected: expected) }
  }

  static func unread(_ buffer: borrowing ReceiveBuffer) -> [UInt8] {
    guard let base = buffer.base else { return [] }
    return Array(UnsafeRawBufferPointer(start: base + buffer.head, count: buffer.count))
  }

  @Test("bytes are read as they were appended, whatever the pieces and however much is read in between")
  func order() {
    var random = TestRandom(seed: 5)
    var buffer = ReceiveBuffer()
    var expected: [UInt8] = []
    var kept: [(Bytes, [UInt8])] = []
    for round in 0..<400 {
      let piece = (0..<random.below(round % 50 == 0 ? 6000 : 120)).map { _ in random.byte() }
      Self.append(&buffer, piece)
      expected += piece
      #expect(buffer.count == expected.count && buffer.isEmpty == expected.isEmpty)
      let take = random.below(buffer.count + 1)
      guard take > 0, let storage = buffer.window else { continue }
      // Bytes handed out don't change while the buffer is used further.
      kept.append((Bytes(sharing: storage, offset: buffer.head, count: take), Array(expected.prefix(take))))
      buffer.head += take
      expected.removeFirst(take)
      if round % 7 == 0 { kept.removeAll() }
      for (bytes, copy) in kept where Array(bytes) != copy { Issue.record("changed in round \(round)") }
    }
    #expect(Self.unread(buffer) == expected)
    buffer.removeAll()
    #expect(buffer.isEmpty && buffer.window == nil)
  }

  @Test("storage is reused while nobody shares it")
  func reuse() {
    var buffer = ReceiveBuffer()
    Self.append(&buffer, [1, 2, 3])
    let first = buffer.window.map { ObjectIdentifier($0) }
    for _ in 0..<100 {
      buffer.head = buffer.tail
      Self.append(&buffer, [UInt8](repeating: 7, count: 1000))
    }
    #expect(buffer.window.map { ObjectIdentifier($0) } == first)
    buffer.settle()
    #expect(buffer.window != nil)
  }

  @Test("storage is released once it is empty, and allocated again when needed")
  func release() {
    var buffer = ReceiveBuffer()
    Self.append(&buffer, [UInt8](repeating: 7, count: 100_000))
    buffer.settle()
    #expect(buffer.count == 100_000)
    buffer.head = buffer.tail
    buffer.settle()
    #expect(buffer.window == nil)
    Self.append(&buffer, [1])
    #expect(Self.unread(buffer) == [1])
    buffer.head = buffer.tail
    buffer.settle()
    #expect(buffer.window == nil)
  }

  @Test(
    "a declared length reserves at most four times what has arrived",
    .threat(4),
    arguments: [UInt64(0), 1 << 20, 1 << 62, .max]
  )
  func expected(length: UInt64) {
    var buffer = ReceiveBuffer()
    for size in [10, 4000, 50_000] {
      [UInt8](repeating: 1, count: size).withUnsafeBytes { buffer.append($0, expected: length) }
      // Spare storage comes in a few sizes, at most twice what is requested.
      #expect((buffer.window?.byteCapacity ?? 0) <= max(4096, 9 * buffer.count))
    }
    #expect(buffer.count == 54_010)
  }

  @Test("bytes can be written directly into the buffer, fewer than there is room for")
  func writesInto() throws {
    var buffer = ReceiveBuffer()
    Self.append(&buffer, [1, 2])
    let written = buffer.append(upTo: 100, expected: 0) { room in
      #expect(room.count == 100)
      room[0] = 3
      return 1
    }
    #expect(written == 1)
    #expect(buffer.append(upTo: 10, expected: 0) { _ in 0 } == 0)
    #expect(buffer.append(upTo: 10, expected: 0) { _ in -1 } == -1)
    #expect(Self.unread(buffer) == [1, 2, 3])
  }

  @Test(
    "reads are written to the start of a cache line, wherever the unread bytes end",
    arguments: [64, 1000, 65536]
  )
  func alignment(room: Int) {
    var buffer = ReceiveBuffer()
    var expected: [UInt8] = []
    for round in 0..<200 {
      _ = buffer.append(upTo: room, expected: 0) { bytes in
        // If less is unread than has been read, it moves in front of what arrives.
        #expect(Int(bitPattern: bytes.baseAddress) % 64 == 0)
        for index in 0..<room { bytes[index] = UInt8(truncatingIfNeeded: round + index) }
        return room
      }
      expected += (0..<room).map { UInt8(truncatingIfNeeded: round + $0) }
      // All but at most a third of a read.
      let left = (round * 7) % (room / 3)
      expected.removeFirst(expected.count - left)
      buffer.head = buffer.tail - left
      #expect(Self.unread(buffer) == expected)
    }
  }

  @Test("fed byte by byte without being read, the buffer grows geometrically")
  func growth() {
    var buffer = ReceiveBuffer()
    var storages: [ObjectIdentifier] = []
    for index in 0..<100_000 {
      Self.append(&buffer, [UInt8(truncatingIfNeeded: index)])
      if let window = buffer.window.map({ ObjectIdentifier($0) }), window != storages.last {
        storages.append(window)
      }
    }
    #expect(buffer.count == 100_000)
    #expect(storages.count < 20)
  }

  /// Offers `room` bytes, reads `count`, takes them all, and returns whether the storage was kept.
  private func keeps(room: Int, count: Int) -> Bool {
    var buffer = ReceiveBuffer()
    _ = buffer.append(upTo: room, expected: 0) { bytes in
      #expect(bytes.count == room)
      return count
    }
    buffer.head = buffer.tail
    buffer.settle()
    return buffer.window != nil
  }

  @Test("storage without an unread byte is given back", .fault("M1"))
  func empty() {
    for room in [1, 4096, 16384, 16385, 65536] {
      for count in [1, room] { #expect(!keeps(room: room, count: count), "\(room), \(count)") }
    }
  }

  @Test("a small storage stays while events share it, and takes the next reads; a large one goes with them")
  func shared() throws {
    for (size, stays) in [(100, true), (20000, false)] {
      var buffer = ReceiveBuffer()
      Self.append(&buffer, [UInt8](repeating: 1, count: size))
      let made = buffer.window
      let window = try #require(made)
      let event = Bytes(sharing: window, offset: buffer.head, count: size)
      buffer.head = buffer.tail
      buffer.settle()
      let kept = buffer.window
      #expect((kept === window) == stays)
      Self.append(&buffer, [2, 3])
      let next = buffer.window
      #expect((next === window) == stays)
      let unread = Self.unread(buffer)
      #expect(unread == [2, 3])
      #expect(event.count == size && event.allSatisfy { $0 == 1 })
    }
  }

  @Test("a few unread bytes don't hold a large storage", .fault("M2"))
  func fewLeft() {
    var buffer = ReceiveBuffer()
    Self.append(&buffer, (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0) })
    buffer.head = buffer.tail - 100
    let expected = Self.unread(buffer)
    buffer.settle()
    #expect(Self.unread(buffer) == expected)
    #expect((buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    // What is needed stays: half a frame that waits for the rest.
    Self.append(&buffer, [UInt8](repeating: 1, count: 400_000))
    buffer.settle()
    #expect(buffer.count == 400_100)
  }

  @Test("storage that became large by an appended copy is released")
  func copied() {
    var buffer = ReceiveBuffer()
    _ = buffer.append(upTo: 65536, expected: 0) { $0.count }
    Array(repeating: 1, count: 8).withUnsafeBytes { buffer.append($0) }
    buffer.head = buffer.tail
    buffer.settle()
    #expect(buffer.window == nil)
  }
}
