// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct FrameEncoderTests {
  static func encode(
    client: Bool,
    _ opcode: Opcode,
    fin: Bool = true,
    rsv: RsvBits = [],
    _ payload: [UInt8],
    key: [UInt8] = WireFrame.someMask
  ) throws(LocalProtocolError) -> [UInt8] {
    var encoder = FrameEncoder(client: client, randomSource: .repeating(key))
    var output: [UInt8] = []
    try encoder.encode(opcode, fin: fin, rsv: rsv, payload: payload.span.bytes, into: &output)
    return output
  }

  static let vectors: [(client: Bool, Opcode, Bool, String, [UInt8])] = [
    (false, .text, true, "Hello", [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]),
    (true, .text, true, "Hello", [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]),
    (false, .text, false, "Hel", [0x01, 0x03, 0x48, 0x65, 0x6c]),
    (false, .continuation, true, "lo", [0x80, 0x02, 0x6c, 0x6f]),
    (false, .ping, true, "Hello", [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]),
    (true, .pong, true, "Hello", [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]),
  ]

  @Test("RFC 6455 §5.7: the examples are encoded as the section says", arguments: vectors.indices)
  func examples(index: Int) throws {
    let (client, opcode, fin, text, expected) = Self.vectors[index]
    #expect(try Self.encode(client: client, opcode, fin: fin, Array(text.utf8)) == expected)
  }

  @Test(
    "RFC 6455 §5.7: 256 bytes and 64 KiB get the headers from the section",
    .requirement("6455-5.2-byte-order", "6455-5.2-minimal-send")
  )
  func longExamples() throws {
    let short = try Self.encode(client: false, .binary, [UInt8](repeating: 1, count: 256))
    #expect(short.prefix(4) == [0x82, 0x7e, 0x01, 0x00])
    #expect(short.count == 260)
    let long = try Self.encode(client: false, .binary, [UInt8](repeating: 1, count: 65536))
    #expect(long.prefix(10) == [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0])
    #expect(long.count == 65546)
  }

  @Test(
    "RFC 6455 §5.2: every size takes the shortest form and equals what a plain builder writes",
    .requirement("6455-5.1-client-masks", "6455-5.1-server-unmasked", "6455-5.2-minimal-send"),
    arguments: [true, false],
    FrameDecoderTests.allSizes
  )
  func sizes(client: Bool, size: Int) throws {
    var payload = [UInt8](repeating: 0, count: size)
    for index in payload.indices { payload[index] = UInt8(truncatingIfNeeded: index &* 7 &+ 1) }
    let expected = WireFrame(2, payload, mask: client ? WireFrame.someMask : nil).bytes
    #expect(try Self.encode(client: client, .binary, payload) == expected)
  }

  @Test(
    "RFC 6455 §5.2: FIN and the reserved bits are in the right places",
    arguments: Opcode.allCases,
    UInt8(0)...7
  )
  func bits(opcode: Opcode, rsv: UInt8) throws {
    let bits = RsvBits(rsv & 4 != 0, rsv & 2 != 0, rsv & 1 != 0)
    for fin in opcode.isControl ? [true] : [true, false] {
      let expected = WireFrame(opcode.rawValue, [1, 2], fin: fin, rsv: rsv).bytes
      #expect(try Self.encode(client: false, opcode, fin: fin, rsv: bits, [1, 2]) == expected)
    }
  }

  @Test(
    "RFC 6455 §5.5: a control frame that is too long or not final is refused, and nothing is appended",
    .requirement("6455-5.5-length", "6455-5.4-control-whole")
  )
  func control() throws {
    var encoder = FrameEncoder(client: true)
    var output: [UInt8] = [42]
    let long = [UInt8](repeating: 0, count: 126)
    for opcode in [Opcode.close, .ping, .pong] {
      var error = #expect(throws: LocalProtocolError.self) {
        try encoder.encode(opcode, payload: long.span.bytes, into: &output)
      }
      #expect(error?.violation == .controlPayloadTooLong)
      error = #expect(throws: LocalProtocolError.self) {
        try encoder.encode(opcode, fin: false, payload: [UInt8]().span.bytes, into: &output)
      }
      #expect(error?.violation == .messageType)
      #expect(throws: LocalProtocolError.self) { try encoder.header(opcode, payloadLength: 126) }
      #expect(throws: LocalProtocolError.self) { try encoder.header(opcode, fin: false, payloadLength: 0) }
    }
    #expect(output == [42])
    try encoder.encode(.ping, payload: Array(long.dropLast()).span.bytes, into: &output)
    #expect(output.count == 1 + 6 + 125)
  }

  @Test("a frame is appended to the contents of the buffer, which doesn't grow if it has room")
  func appends() throws {
    var encoder = FrameEncoder(client: true)
    var output: [UInt8] = [1, 2, 3]
    output.reserveCapacity(4096)
    let capacity = output.capacity
    let start = output.withUnsafeBytes { $0.baseAddress }
    for _ in 0..<20 {
      try encoder.encode(.binary, payload: [UInt8](repeating: 5, count: 100).span.bytes, into: &output)
    }
    #expect(output.prefix(3) == [1, 2, 3])
    #expect(output.count == 3 + 20 * 106)
    #expect(output.capacity == capacity)
    #expect(output.withUnsafeBytes { $0.baseAddress } == start)
  }

  @Test(
    "header and mask separately give the same frame as encode (RFC 6455 §5.3)",
    .requirement("6455-5.3-transform"),
    arguments: [0, 5, 126, 65536]
  )
  func gather(size: Int) throws {
    var payload = [UInt8](repeating: 0, count: size)
    for index in payload.indices { payload[index] = UInt8(truncatingIfNeeded: index) }
    var encoder = FrameEncoder(client: true, randomSource: .repeating([9, 8, 7, 6]))
    let header = try encoder.header(.binary, fin: false, payloadLength: size)
    #expect(header.maskingKey == 0x0607_0809)
    var masked = payload
    var span = masked.mutableSpan
    var bytes = span.mutableBytes
    FrameEncoder.mask(&bytes, key: header.maskingKey)
    #expect(Array(header) + masked == WireFrame(2, payload, fin: false, mask: [9, 8, 7, 6]).bytes)
    var again = masked.mutableSpan
    var againBytes = again.mutableBytes
    FrameEncoder.mask(&againBytes, key: header.maskingKey)
    #expect(masked == payload)
  }

  @Test(
    "RFC 6455 §5.3: masking keys repeat only by chance, and no bit of them is biased",
    .threat(15),
    .requirement("6455-5.3-fresh", "6455-5.3-unpredictable")
  )
  func keys() throws {
    var encoder = FrameEncoder(client: true)
    let count = 1_000_000
    var keys: [UInt32] = []
    keys.reserveCapacity(count)
    var frame: [UInt8] = []
    for _ in 0..<count {
      frame.removeAll(keepingCapacity: true)
      try encoder.encode(.binary, payload: UnsafeRawBufferPointer(start: nil, count: 0), into: &frame)
      guard frame.count == 6 else {
        Issue.record("a frame of \(frame.count) bytes")
        return
      }
      keys.append(frame.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 2, as: UInt32.self) })
    }
    // Six standard deviations of a fair coin: 6 * sqrt(10^6) / 2 = 3000.
    for bit: UInt32 in 0..<32 {
      let ones = keys.reduce(0) { $0 + Int($1 >> bit & 1) }
      #expect(abs(ones - count / 2) < 3000, "bit \(bit)")
    }
    // Of 10^6 random keys, 116 pairs are equal on average, standard deviation 11.
    keys.sort()
    let repeated = zip(keys, keys.dropFirst()).reduce(0) { $0 + ($1.0 == $1.1 ? 1 : 0) }
    #expect(repeated < 220)
  }
}

extension RandomSource {
  /// The same bytes again and again, so that each masking key is `pattern`.
  static func repeating(_ pattern: [UInt8]) -> RandomSource {
    RandomSource { buffer in
      for index in buffer.indices { buffer[index] = pattern[index % pattern.count] }
    }
  }
}
