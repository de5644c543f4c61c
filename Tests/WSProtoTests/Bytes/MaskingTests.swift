// SPDX-License-Identifier: Apache-2.0

import CWSProtoKernels
import Testing

@testable import WSProto

@Suite struct MaskingTests {
  /// Byte by byte as RFC 6455 §5.3 describes it; `wire` has the key's bytes in wire order.
  private static func oracle(_ bytes: ArraySlice<UInt8>, wire: [UInt8]) -> [UInt8] {
    bytes.enumerated().map { $0.element ^ wire[$0.offset % 4] }
  }

  private static func key(_ wire: [UInt8]) -> UInt32 {
    UInt32(wire[0]) | UInt32(wire[1]) << 8 | UInt32(wire[2]) << 16 | UInt32(wire[3]) << 24
  }

  private static let wires: [[UInt8]] = [
    [0x37, 0xFA, 0x21, 0x3D], [0xFA, 0x21, 0x3D, 0x37], [0x21, 0x3D, 0x37, 0xFA], [0x3D, 0x37, 0xFA, 0x21],
  ]

  @Test("the RFC's masked Hello comes out (RFC 6455 §5.7)", .requirement("6455-5.3-transform"))
  func hello() {
    var bytes: [UInt8] = [0x7F, 0x9F, 0x4D, 0x51, 0x58]
    bytes.withUnsafeMutableBytes { buffer in
      guard let base = buffer.baseAddress else { return }
      Masking.apply(Self.key([0x37, 0xFA, 0x21, 0x3D]), to: base, count: 5)
    }
    #expect(bytes == Array("Hello".utf8))
  }

  @Test(
    "every length, alignment and key rotation gives the same as masking byte by byte, in place and copied (RFC 6455 §5.3)",
    .requirement("6455-5.3-transform"),
    arguments: wires
  )
  func everyLengthAndAlignment(wire: [UInt8]) {
    let room = 320
    let plain = (0..<room).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 7) }
    let key = Self.key(wire)
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 64)
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 64)
    defer {
      source.deallocate()
      target.deallocate()
    }
    guard let sourceBase = source.baseAddress, let targetBase = target.baseAddress else { return }
    var failures: [String] = []
    for count in 0...200 {
      for alignment in Array(0..<17) + [31, 32, 33, 63] {
        let range = alignment..<alignment + count
        let masked = Self.oracle(plain[range], wire: wire)
        // Everything outside the range must be unchanged.
        let expected = plain[..<range.lowerBound] + masked + plain[range.upperBound...]

        source.copyBytes(from: plain)
        Masking.apply(key, to: sourceBase + alignment, count: count)
        if !source.elementsEqual(expected) { failures.append("in place, \(count) at \(alignment)") }

        // Source and destination aligned differently.
        source.copyBytes(from: plain)
        target.copyBytes(from: plain)
        let other = (alignment &* 7 &+ 3) % 64
        Masking.copy(from: sourceBase + alignment, to: targetBase + other, count: count, key: key)
        let copied = plain[..<other] + masked + plain[(other + count)...]
        if !target.elementsEqual(copied) { failures.append("copied, \(count) at \(alignment)") }
        if !source.elementsEqual(plain) { failures.append("source written, \(count) at \(alignment)") }
      }
    }
    #expect(failures.isEmpty, "\(failures.prefix(5))")
  }

  @Test("the C kernel masks like the loop in Swift at lengths around its strides", arguments: [0, 1, 31, 63])
  func kernelAgainstSwift(alignment: Int) {
    let room = 5000
    let plain = (0..<room).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ $0 >> 8) }
    let key = Self.key([0x01, 0x80, 0xFE, 0x55])
    var kernel = plain
    var swift = plain
    for count in (200...1100).filter({ $0 % 3 == 0 || $0 % 64 < 3 }) + [4096, 4097, 4900] {
      // On top of the result of the last round: the same operations must give the same bytes.
      kernel.withUnsafeMutableBytes { buffer in
        guard let base = buffer.baseAddress else { return }
        Masking.apply(key, to: base + alignment, count: count)
      }
      swift.withUnsafeMutableBytes { buffer in
        guard let base = buffer.baseAddress else { return }
        Masking.portable(base + alignment, into: base + alignment, count: count, key: key)
      }
      #expect(kernel == swift, "\(count)")
    }
  }

  @Test("a payload masked in parts with the rotated key equals one masked whole (RFC 6455 §5.3)")
  func rotation() {
    let key: UInt32 = 0x0403_0201
    #expect((0...8).map { Masking.rotated(key, by: $0) & 0xFF } == [1, 2, 3, 4, 1, 2, 3, 4, 1])
    let plain = (0..<150).map { UInt8($0) }
    for first in 0...150 {
      var bytes = plain
      bytes.withUnsafeMutableBytes { buffer in
        guard let base = buffer.baseAddress else { return }
        Masking.apply(key, to: base, count: first)
        Masking.apply(Masking.rotated(key, by: first), to: base + first, count: 150 - first)
      }
      #expect(bytes == Self.oracle(plain[...], wire: [1, 2, 3, 4]))
    }
  }

  @Test(
    "each C version for this processor gives the same as masking byte by byte, whatever the alignment",
    arguments: [0, 1]
  )
  func everyLevel(level: Int32) {
    let room = 512
    let plain = (0..<room).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ 7) }
    let masked = [[1, 2, 3, 4], [2, 3, 4, 1], [3, 4, 1, 2], [4, 1, 2, 3]].map {
      Self.oracle(plain[...], wire: $0)
    }
    let source = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 64)
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 64)
    defer {
      source.deallocate()
      target.deallocate()
    }
    guard let sourceBase = source.baseAddress, let targetBase = target.baseAddress else { return }
    var failures: [String] = []
    for count in Array(Int(CWSPROTO_MASK_MINIMUM)...260) + [300, 383, 384, 385, 440] {
      for alignment in [0, 1, 2, 3, 4, 15, 16, 17, 31, 32, 33, 63] {
        // The key's first byte applies to the first byte of the range: position 0 of the pattern, rotated by
        // the alignment.
        let pattern = masked[(4 - alignment % 4) % 4]
        let range = alignment..<alignment + count
        let expected = plain[..<range.lowerBound] + pattern[range] + plain[range.upperBound...]
        source.copyBytes(from: plain)
        let at = sourceBase + alignment
        // Level 0 works everywhere; the others only if the processor supports them.
        guard cwsproto_mask_at_level(level, at, at, count, UInt32(0x0403_0201).littleEndian) == 0 else {
          #expect(level > 0)
          return
        }
        if !source.elementsEqual(expected) { failures.append("in place, \(count) at \(alignment)") }

        source.copyBytes(from: plain)
        target.copyBytes(from: plain)
        let to = targetBase + (alignment + 5)
        _ = cwsproto_mask_at_level(level, to, sourceBase + alignment, count, UInt32(0x0403_0201).littleEndian)
        let copied = plain[..<(alignment + 5)] + pattern[range] + plain[(alignment + 5 + count)...]
        if !target.elementsEqual(copied) { failures.append("copied, \(count) at \(alignment)") }
      }
    }
    #expect(failures.isEmpty, "\(failures.prefix(5))")
  }

  /// Masks text of `count` bytes, then unmasks it with `unmask` and returns the result of that.
  private static func unmasks(
    _ text: [UInt8],
    _ unmask: (UInt32, UnsafeMutableRawPointer, Int) -> Bool?
  ) -> Bool? {
    let wire: [UInt8] = [0x85, 0x12, 0xF0, 0x77]
    var bytes = oracle(text[...], wire: wire)
    let isASCII = bytes.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.flatMap { unmask(key(wire), $0, buffer.count) }
    }
    if isASCII != nil, bytes != text { Issue.record("\(text.count) bytes were not unmasked") }
    return isASCII
  }

  @Test("unmasking reports whether everything is ASCII, wherever the other byte is")
  func findsASCII() {
    for count in Array(1...300) + [511, 512, 513, 1000] {
      let unmask = { (key: UInt32, base: UnsafeMutableRawPointer, count: Int) -> Bool? in
        count < Masking.kernelMinimum
          ? Masking.applyToShort(key, to: base, count: count)
          : Masking.applyToLong(key, to: base, count: count)
      }
      var text = (0..<count).map { UInt8(truncatingIfNeeded: $0) & 0x7F }
      #expect(Self.unmasks(text, unmask) == true, "\(count)")
      for position in 0..<count {
        text[position] |= 0x80
        if Self.unmasks(text, unmask) != false { Issue.record("missed at \(position) of \(count)") }
        text[position] &= 0x7F
      }
    }
  }

  @Test("so does each C version for this processor", arguments: [0, 1])
  func everyLevelFindsASCII(level: Int32) {
    for count in Array(Int(CWSPROTO_MASK_MINIMUM)...200) + [255, 256, 257, 300] {
      let unmask = { (key: UInt32, base: UnsafeMutableRawPointer, count: Int) -> Bool? in
        let found = cwsproto_mask_is_ascii_at_level(level, base, base, count, key.littleEndian)
        return found < 0 ? nil : found == 1
      }
      var text = (0..<count).map { UInt8(truncatingIfNeeded: $0) & 0x7F }
      guard let isASCII = Self.unmasks(text, unmask) else {
        // Level 0 works everywhere; the others only if the processor supports them.
        #expect(level > 0)
        return
      }
      #expect(isASCII, "\(count)")
      for position in 0..<count {
        text[position] |= 0x80
        if Self.unmasks(text, unmask) != false { Issue.record("missed at \(position) of \(count)") }
        text[position] &= 0x7F
      }
    }
  }
}
