// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct ReceiveBufferTests {
  static func append(_ buffer: inout ReceiveBuffer, _ bytes: [UInt8]) {
    bytes.withUnsafeBytes { buffer.append($0) }
  }

  @Test("bytes come out as they went in, whatever the pieces and however much is read between")
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
      // What is handed out stays what it is while the buffer goes on.
      kept.append((Bytes(sharing: storage, offset: buffer.head, count: take), Array(expected.prefix(take))))
      buffer.head += take
      expected.removeFirst(take)
      if round % 7 == 0 { kept.removeAll() }
      for (bytes, copy) in kept where Array(bytes) != copy { Issue.record("changed in round \(round)") }
    }
    #expect(Array(buffer.takeAll()) == expected)
    #expect(buffer.isEmpty && buffer.window == nil)
  }

  @Test("storage is used again while nobody shares it")
  func reuse() {
    var buffer = ReceiveBuffer()
    Self.append(&buffer, [1, 2, 3])
    let first = buffer.window.map { ObjectIdentifier($0) }
    for _ in 0..<100 {
      buffer.head = buffer.tail
      Self.append(&buffer, [UInt8](repeating: 7, count: 1000))
    }
    #expect(buffer.window.map { ObjectIdentifier($0) } == first)
    buffer.releaseIfEmpty()
    #expect(buffer.window != nil)
    buffer.head = buffer.tail
    buffer.releaseIfEmpty()
    #expect(buffer.window == nil)
  }

  @Test("fed byte by byte without being read, it grows geometrically")
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
}
