// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// A frame no larger than what the peer has sent before gets its room at once; one that only says so doesn't.
@Suite struct ReceiveBufferGrowthTests {
  /// Receives `frame` in reads of 64 KiB. Returns in how many storages it lay, the first read's included.
  private func storages(
    _ frame: [UInt8],
    on connection: Connection,
    _ body: (borrowing BorrowedEvent) -> Void
  ) -> Int {
    var seen: [ObjectIdentifier] = []
    var position = 0
    while position < frame.count {
      _ = connection.receive(
        upTo: 64 << 10,
        reading: { room in
          let count = min(room.count, frame.count - position)
          frame.withUnsafeBytes { room.copyMemory(from: .init(rebasing: $0[position..<position + count])) }
          position += count
          return count
        },
        body
      )
      if let window = connection.buffer.window.map({ ObjectIdentifier($0) }), window != seen.last {
        seen.append(window)
      }
    }
    return seen.count
  }

  @Test("a steady stream of large messages is put together in one place", arguments: ConnectionType.allCases)
  func steady(role: ConnectionType) throws {
    let payload = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let frame = WireFrame(to: role, WireOpcode.binary, payload).bytes
    let connection = Connection(role, configuration: Configuration(delivery: .wholeMessages))
    var equal = 0
    let counts = (0..<4).map { _ in
      storages(frame, on: connection) { event in
        if case .bytesMessage(let part) = event, part.data.withUnsafeBytes({ $0.elementsEqual(payload) }) {
          equal += 1
        }
      }
    }
    #expect(equal == 4)
    // The first read's, and the message's own.
    #expect(counts[0] > 2 && counts[1...].allSatisfy { $0 <= 2 }, "\(counts)")
    #expect(connection.buffer.window == nil)
  }

  /// A buffer from which `sizes` bytes have been read one after the other.
  private func afterFrames(_ sizes: [Int]) -> ReceiveBuffer {
    var buffer = ReceiveBuffer()
    for size in sizes {
      ReceiveBufferTests.append(&buffer, [UInt8](repeating: 1, count: size))
      buffer.head = buffer.tail
      buffer.settle()
    }
    return buffer
  }

  /// 20,000 bytes of a frame of 1 MiB, in two reads.
  private func beginFrame(_ buffer: inout ReceiveBuffer) {
    for _ in 0..<2 {
      ReceiveBufferTests.append(&buffer, [UInt8](repeating: 2, count: 10_000), expected: 1 << 20)
    }
  }

  /// What a buffer keeps for a frame that announces `length` once `arrived` bytes of it are there, read in two parts into
  /// room for `read` bytes each.
  private func reserved(
    _ length: UInt64,
    arrived: Int,
    after sizes: [Int],
    read: Int? = nil
  ) -> Int {
    var buffer = afterFrames(sizes)
    for _ in 0..<2 {
      _ = buffer.append(upTo: max(read ?? 0, arrived / 2), expected: length) { _ in arrived / 2 }
      buffer.settle()
    }
    return buffer.window?.byteCapacity ?? 0
  }

  @Test(
    "what was sent before is the most that a declared length reserves",
    .threat(4),
    arguments: [UInt64(1) << 21, .max]
  )
  func bounded(length: UInt64) {
    let arrived = 20_000
    let unproven = reserved(length, arrived: arrived, after: [])
    #expect(unproven <= 9 * arrived)
    // Spare storage comes in a few sizes.
    #expect(reserved(length, arrived: arrived, after: [300_000]) <= 384 << 10)
    #expect((1 << 20...SpareStorage.largest + 4096) ~= reserved(length, arrived: arrived, after: [1 << 20]))
    #expect(reserved(length, arrived: arrived, after: [16 << 20]) <= SpareStorage.largest + 4096)
    #expect(reserved(length, arrived: 2 << 20, after: [16 << 20]) <= 5 * (2 << 20))
    // The last one counts, if it was more than a header.
    #expect(reserved(length, arrived: arrived, after: [1 << 20, 200]) == unproven)
    #expect(reserved(length, arrived: arrived, after: [1 << 20, 14]) > 1 << 20)
    // A frame gets no more than it announces.
    #expect(reserved(30_000, arrived: arrived, after: [1 << 20]) <= 9 * arrived)
  }

  @Test(
    "a little that was sent before keeps no room that was made for a read",
    .fault("M2"),
    .threat(4),
    arguments: [1 << 16, 1 << 18, 1 << 20, 16 << 20]
  )
  func reads(read: Int) {
    for proof in [0, 63, 130, 140, 1000] {
      let kept = reserved(1 << 40, arrived: 40, after: [proof], read: read)
      #expect(kept <= max(Retention.receiveBuffer, 8 * proof), "\(proof)")
    }
  }

  @Test(
    "room for a read that brings nothing, or fails, goes again",
    .fault("M2"),
    arguments: ConnectionType.allCases
  )
  func nothing(role: ConnectionType) throws {
    struct Failed: Error {}
    let connection = Connection(role, configuration: Configuration(delivery: .wholeMessages))
    let long = WireFrame(to: role, WireOpcode.binary, [UInt8](repeating: 1, count: 140)).bytes
    let begun =
      WireFrame(to: role, WireOpcode.binary, declaredLength: 60_000).header + [UInt8](repeating: 1, count: 20)
    for bytes in [long, begun] {
      let count = connection.receive(
        upTo: 1 << 20,
        reading: {
          $0.copyBytes(from: bytes); return bytes.count
        },
        { _ in }
      )
      #expect(count == bytes.count)
    }
    _ = connection.receive(upTo: 1 << 20, reading: { _ in 0 }, { _ in })
    #expect((connection.buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    #expect(throws: Failed.self) {
      try connection.receive(upTo: 1 << 20, reading: { _ in throw Failed() }, { _ in })
    }
    #expect((connection.buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    #expect(connection.buffer.count == 20)
  }

  @Test(
    "room that was reserved ahead is given back with its frame, and what begins the next one is kept elsewhere"
  )
  func givenBack() {
    var buffer = afterFrames([1 << 20])
    beginFrame(&buffer)
    buffer.settle()
    #expect((buffer.window?.byteCapacity ?? 0) > 1 << 20)
    buffer.head = buffer.tail - 100
    buffer.settle()
    #expect(buffer.count == 100 && (buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    // Only 20,000 bytes came.
    beginFrame(&buffer)
    #expect((buffer.window?.byteCapacity ?? .max) <= 9 * buffer.count)
  }

  @Test("a frame that begins where the last one was read has no share in its room", .fault("M2"))
  func reused() {
    var buffer = afterFrames([1 << 20])
    beginFrame(&buffer)
    // Read, and no settling before more arrives.
    buffer.head = buffer.tail
    ReceiveBufferTests.append(&buffer, [UInt8](repeating: 2, count: 30), expected: 200)
    buffer.settle()
    #expect(buffer.count == 30 && (buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
  }

  @Test("what is delivered as it arrives gets no room ahead, and so doesn't keep it", .fault("M2"))
  func parts() throws {
    var buffer = afterFrames([1 << 20])
    let part = [UInt8](repeating: 2, count: 24)
    ReceiveBufferTests.append(&buffer, part, expected: 15 << 20)
    let window = buffer.window
    let kept = Bytes(sharing: try #require(window), offset: buffer.head, count: 24)
    buffer.head = buffer.tail
    buffer.settle()
    ReceiveBufferTests.append(&buffer, [UInt8](repeating: 3, count: 4090), expected: 15 << 20)
    #expect((buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    #expect(Array(kept) == part)
  }
}
