// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct EncodedFrameTests {
  static let lengths = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 1 << 32, Int.max]

  @Test(
    "FrameHeaderBytes are the bytes of RFC 6455 §5.2, each index of them",
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

  @Test("headers are equal where their bytes are")
  func equality() {
    let one = FrameHeaderBytes(firstByte: 0x81, length: 5, masked: false, key: 0)
    #expect(one == FrameHeaderBytes(firstByte: 0x81, length: 5, masked: false, key: 77))
    #expect(one != FrameHeaderBytes(firstByte: 0x81, length: 6, masked: false, key: 0))
  }

  @Test(
    "the iterator gives the bytes that an append takes at once",
    arguments: [0, 1, 3, 4, 5, 17, 126, 400]
  )
  func iterator(size: Int) {
    var payload = [UInt8](repeating: 0, count: size)
    for index in payload.indices { payload[index] = UInt8(truncatingIfNeeded: index &* 13) }
    for key: UInt32 in [0, 0x0403_0201] {
      payload.withUnsafeBytes { bytes in
        let header = FrameHeaderBytes(firstByte: 0x82, length: size, masked: key != 0, key: key)
        let frame = EncodedFrame(header: header, payload: bytes)
        var slow: [UInt8] = []
        for byte in frame { slow.append(byte) }
        var quick: [UInt8] = []
        quick.append(contentsOf: frame)
        #expect(slow == quick)
        #expect(quick == WireFrame(2, payload, mask: key == 0 ? nil : [1, 2, 3, 4]).bytes)
        // Into a buffer that is too small, as another collection may do it.
        let small = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: 1)
        defer { small.deallocate() }
        var (rest, written) = frame._copyContents(initializing: small)
        var total: [UInt8] = Array(small[..<written])
        while let byte = rest.next() { total.append(byte) }
        #expect(total == quick)
      }
    }
  }
}
