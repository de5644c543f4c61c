// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct BytesTests {
  @Test("Bytes made from arrays, slices, text, literals, spans and lazy sequences hold the same bytes")
  func makers() {
    let array: [UInt8] = [0x61, 0x62, 0x63]
    let all = [
      Bytes(array), Bytes(([0] + array)[1...]), Bytes("abc"), [0x61, 0x62, 0x63],
      Bytes(copying: array.span.bytes),
      Bytes(array.lazy.map { $0 }), Bytes(Bytes(array)), array.withUnsafeBytes { Bytes(copying: $0) },
    ]
    #expect(Set(all).count == 1)
    for bytes in all { #expect(Array(bytes) == array && bytes.count == 3 && bytes[2] == 0x63) }
  }

  @Test("empty values are equal, whatever they were made from")
  func empty() {
    let all = [
      Bytes(), [], Bytes(""), Bytes([UInt8]()), Bytes(copying: UnsafeRawBufferPointer(start: nil, count: 0)),
      Bytes("a").part(0..<0),
    ]
    #expect(Set(all).count == 1)
    for bytes in all { #expect(bytes.isEmpty && Array(bytes).isEmpty) }
    #expect(Bytes().withUnsafeBytes { $0.count } == 0)
  }

  @Test("a part shares the bytes and is indexed from zero")
  func parts() {
    let bytes: Bytes = [1, 2, 3, 4, 5]
    let part = bytes.part(1..<4)
    #expect(Array(part) == [2, 3, 4] && part[0] == 2)
    #expect(part.part(2..<3) == [4])
    #expect(bytes.part(0..<5) == bytes)
    #expect(part.withContiguousStorageIfAvailable { Array($0) } == [2, 3, 4])
  }

  @Test("the description shows the count and the first bytes")
  func description() {
    #expect(Bytes().description == "0 bytes")
    #expect(Bytes([0, 0xAB]).description == "2 bytes: 00 ab")
    #expect(Bytes([UInt8](repeating: 1, count: 17)).description.hasSuffix("01 …"))
  }
}
