// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct RsvBitsTests {
  @Test("each combination reads back, alone and from a first byte (RFC 6455 §5.2)", arguments: UInt8(0)...7)
  func combinations(value: UInt8) {
    let (one, two, three) = (value & 4 != 0, value & 2 != 0, value & 1 != 0)
    let bits = RsvBits(one, two, three)
    #expect((bits.rsv1, bits.rsv2, bits.rsv3) == (one, two, three))
    for rest: UInt8 in [0, 0x8F] { #expect(RsvBits(firstByte: value << 4 | rest) == bits) }
    #expect(bits.symmetricDifference([.rsv1, .rsv2, .rsv3]) == RsvBits(!one, !two, !three))
  }

  @Test("subset and union are those of sets, for all pairs")
  func sets() {
    for left: UInt8 in 0...7 {
      for right: UInt8 in 0...7 {
        var union = RsvBits(firstByte: left << 4)
        let other = RsvBits(firstByte: right << 4)
        #expect(union.isSubset(of: other) == (left & right == left))
        union.formUnion(other)
        #expect(union == RsvBits(firstByte: (left | right) << 4))
      }
    }
    #expect(RsvBits() == RsvBits(false, false, false))
  }
}
