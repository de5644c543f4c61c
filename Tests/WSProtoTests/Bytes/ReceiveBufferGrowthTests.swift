// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// A frame no larger than what the peer has just sent gets its room at once; one that only says so doesn't.
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
      [UInt8](repeating: 1, count: size).withUnsafeBytes { buffer.append($0) }
      buffer.head = buffer.tail
      buffer.settle()
    }
    return buffer
  }

  /// What a buffer reserves for a frame that announces `length` once `arrived` bytes of it are there.
  private func reserved(_ length: UInt64, arrived: Int, after sizes: [Int]) -> Int {
    var buffer = afterFrames(sizes)
    for _ in 0..<2 {
      [UInt8](repeating: 2, count: arrived / 2).withUnsafeBytes { buffer.append($0, expected: length) }
    }
    // As far as it is not given back again.
    buffer.settle()
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
    #expect(reserved(length, arrived: arrived, after: [100 << 20]) <= SpareStorage.largest + 4096)
    #expect(reserved(length, arrived: 2 << 20, after: [100 << 20]) <= 5 * (2 << 20))
    // The last one counts, and a read without a frame's end in it changes nothing.
    #expect(reserved(length, arrived: arrived, after: [1 << 20, 200]) == unproven)
    #expect(reserved(length, arrived: arrived, after: [1 << 20, 14]) > 1 << 20)
  }

  @Test(
    "room that was reserved ahead is given back with its frame, and what begins the next one is kept elsewhere"
  )
  func givenBack() {
    var buffer = afterFrames([1 << 20])
    for _ in 0..<2 {
      [UInt8](repeating: 2, count: 10_000).withUnsafeBytes { buffer.append($0, expected: 1 << 20) }
    }
    buffer.settle()
    let ahead = buffer.window?.byteCapacity ?? 0
    #expect(ahead > 1 << 20)
    buffer.head = buffer.tail - 100
    buffer.settle()
    #expect(buffer.count == 100 && (buffer.window?.byteCapacity ?? .max) <= Retention.receiveBuffer)
    // Only 20,000 bytes came.
    for _ in 0..<2 {
      [UInt8](repeating: 2, count: 10_000).withUnsafeBytes { buffer.append($0, expected: 1 << 20) }
    }
    #expect((buffer.window?.byteCapacity ?? .max) <= 9 * buffer.count)
  }
}
