// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct FrameHeaderBytesTests {
  static let lengths = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 1 << 32, Int.max]

  @Test(
    "FrameHeaderBytes has the bytes of RFC 6455 §5.2 at each index",
    arguments: lengths,
    [true, false]
  )
  func header(length: Int, masked: Bool) {
    let header = FrameHeaderBytes(firstByte: 0x82, length: length, masked: masked, key: 0x0403_0201)
    let expected = WireFrame(2, mask: masked ? [1, 2, 3, 4] : nil, declaredLength: UInt64(length)).header
    #expect(Array(header) == expected)
    #expect(header.count == expected.count)
    #expect(header.indices.map { header[$0] } == expected)
    #expect(header.maskingKey == (masked ? 0x0403_0201 : 0))
  }

  @Test("headers are equal if their bytes are")
  func equality() {
    let one = FrameHeaderBytes(firstByte: 0x81, length: 5, masked: false, key: 0)
    #expect(one == FrameHeaderBytes(firstByte: 0x81, length: 5, masked: false, key: 77))
    #expect(one != FrameHeaderBytes(firstByte: 0x81, length: 6, masked: false, key: 0))
  }

  @Test(
    "header and payload are written as on the wire, and nothing beyond them",
    arguments: [false, true]
  )
  func write(masked: Bool) {
    for size in Array(0...40) + [125, 126, 127, 255, 256, 400, 65535, 65536, 65600] {
      let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 13 &+ 5) }
      let expected = WireFrame(2, payload, mask: masked ? [1, 2, 3, 4] : nil).bytes
      let header = FrameHeaderBytes(firstByte: 0x82, length: size, masked: masked, key: 0x0403_0201)
      var room = [UInt8](repeating: 0xEE, count: expected.count + 32)
      room.withUnsafeMutableBytes { target in
        payload.withUnsafeBytes { bytes in
          guard let base = target.baseAddress else { return }
          header.write(bytes.baseAddress ?? UnsafeRawPointer(base), count: size, to: base + 16)
        }
      }
      let around = [UInt8](repeating: 0xEE, count: 16)
      #expect(room == around + expected + around, "\(size) bytes")
    }
  }
}
