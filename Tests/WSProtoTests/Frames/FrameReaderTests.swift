// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct FrameReaderTests {
  struct Result: Equatable {
    var header: Header?
    var headerSize = 0
    var failure: ParseFailed?
    /// How many bytes had been taken when the header was complete or the failure was thrown.
    var taken = 0
  }

  /// Reads one header from pieces.
  static func read(_ role: ConnectionType, _ pieces: [[UInt8]]) -> Result {
    var reader = FrameReader(role: role)
    var result = Result()
    for piece in pieces {
      var bytes = piece
      let stop = bytes.withUnsafeMutableBytes { window -> Bool in
        guard let base = window.baseAddress else { return false }
        var position = 0
        do throws(ParseFailed) {
          result.header = try reader.readHeader(base, &position, window.count)
          let complete = result.header != nil
          result.taken += complete ? position : window.count
          if complete { result.headerSize = reader.frame?.headerSize ?? 0 }
          return complete
        } catch {
          result.failure = error
          result.taken += position
          return true
        }
      }
      if stop { return result }
    }
    return result
  }

  static let someLengths: [UInt64] = [
    0, 1, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537, 1 << 20, 1 << 31, 1 << 32, 1 << 40,
    (1 << 62), (1 << 63) - 1,
  ]

  @Test(
    "RFC 6455 §5.2: every length is read in its form, whole, byte by byte, and with trailing data",
    .requirement("6455-5.2-byte-order"),
    arguments: ConnectionType.allCases,
    someLengths
  )
  func lengths(role: ConnectionType, length: UInt64) {
    let frame = WireFrame(to: role, 2, declaredLength: length)
    let key: UInt32? = role == .server ? 0x3d21_fa37 : nil
    let expected = Header(fin: true, opcode: .binary, payloadLength: length, maskingKey: key)
    for pieces in [[frame.header], frame.header.map { [$0] }, [frame.header + [9, 9, 9, 9, 9, 9, 9, 9]]] {
      let result = Self.read(role, pieces)
      #expect(result.header == expected)
      #expect(result.headerSize == frame.header.count)
      #expect(result.taken == frame.header.count)
      #expect(result.failure == nil)
    }
    for count in 0..<frame.header.count {
      let result = Self.read(role, [Array(frame.header.prefix(count))])
      #expect(result.header == nil && result.failure == nil, "\(count) bytes are no header")
    }
  }

  static let overlongLengths: [(LengthForm, UInt64)] =
    [0, 1, 124, 125].map { (.sixteenBits, $0) }
    + [0, 1, 125, 126, 127, 65534, 65535].map { (.sixtyFourBits, $0) }
    + [1 << 63, UInt64.max, UInt64.max - 3, (1 << 63) + 5].map { (.sixtyFourBits, $0) }

  @Test(
    "RFC 6455 §5.2: a length that is not minimal, or has its highest bit set, is refused",
    .threat(4),
    .requirement("6455-5.2-minimal-receive", "6455-5.2-msb"),
    arguments: ConnectionType.allCases,
    overlongLengths
  )
  func overlong(role: ConnectionType, length: (LengthForm, UInt64)) {
    let frame = WireFrame(to: role, 1, form: length.0, declaredLength: length.1)
    let needed = length.0 == .sixteenBits ? 4 : 10
    for pieces in [[frame.header], frame.header.map { [$0] }, [frame.header + [1, 2, 3]]] {
      #expect(Self.read(role, pieces).failure?.code == .protocolError)
    }
    // As soon as the length is read: it waits neither for the key nor for a byte of the payload.
    #expect(Self.read(role, [Array(frame.header.prefix(needed))]).failure?.code == .protocolError)
    #expect(Self.read(role, [Array(frame.header.prefix(needed - 1))]).failure == nil)
  }

  @Test(
    "RFC 6455 §5.2: each of the 16 opcodes with and without FIN",
    .threat(5),
    .requirement("6455-5.2-opcode", "6455-5.4-control-whole"),
    arguments: UInt8(0)...15,
    [true, false]
  )
  func opcodes(opcode: UInt8, fin: Bool) {
    let result = Self.read(.client, [WireFrame(opcode, [1], fin: fin).bytes])
    switch (opcode, fin) {
    case (0...2, _), (8...10, true):
      #expect(result.header?.opcode.rawValue == opcode)
      #expect(result.header?.fin == fin)
      #expect(result.failure == nil)
    default:
      #expect(result.failure?.code == .protocolError)
      #expect(result.header == nil)
      // Two bytes of the header are enough: it doesn't wait for the length that follows.
      #expect(Self.read(.client, [[(fin ? 0x80 : 0) | opcode, 127]]).failure?.code == .protocolError)
    }
  }

  @Test("RFC 6455 §5.2: all combinations of reserved bits are read as they are", arguments: UInt8(0)...7)
  func reservedBits(rsv: UInt8) {
    let result = Self.read(.client, [WireFrame(2, [], rsv: rsv).bytes])
    #expect(result.header?.rsv == RsvBits(rsv & 4 != 0, rsv & 2 != 0, rsv & 1 != 0))
  }

  @Test(
    "RFC 6455 §5.1: a missing or an unexpected mask is refused with the second byte, before any payload",
    .threat(14),
    .requirement("6455-5.1-server-refuses", "6455-5.1-client-refuses"),
    arguments: ConnectionType.allCases
  )
  func masking(role: ConnectionType) {
    let wrong = WireFrame(to: role.peer, 1, Array(repeating: 0x41, count: 300))
    for pieces in [[wrong.bytes], wrong.bytes.map { [$0] }, [Array(wrong.bytes.prefix(2))]] {
      let result = Self.read(role, pieces)
      #expect(result.failure?.code == .protocolError)
      #expect(result.header == nil)
      #expect(result.taken <= 2)
    }
  }

  @Test(
    "RFC 6455 §5.5: a control frame longer than 125 bytes is refused with the second byte",
    .threat(5),
    .requirement("6455-5.5-length"),
    arguments: [126, 127]
  )
  func longControl(short: UInt8) {
    for opcode: UInt8 in 8...10 {
      #expect(Self.read(.client, [[0x80 | opcode, short]]).failure?.code == .protocolError)
      #expect(Self.read(.client, [[0x80 | opcode, 125]]).failure == nil)
    }
  }

  @Test("no more is unmasked than the window or the frame has, and the key rotates (RFC 6455 §5.3)")
  func payload() {
    var reader = FrameReader(role: .server)
    var header = WireFrame(2, Array(repeating: 0, count: 7), mask: [1, 2, 3, 4]).header
    header.withUnsafeMutableBytes { window in
      guard let base = window.baseAddress else { return }
      var position = 0
      #expect((try? reader.readHeader(base, &position, window.count)) != nil)
    }
    #expect(reader.frame?.isComplete == false && reader.expectedBytes == 7)
    var step = reader.unmaskNext(10, 13)
    #expect(step.count == 3 && step.key == 0x0403_0201 && reader.expectedBytes == 4)
    #expect(reader.frame?.ready == 3)
    // What is ready still lies in the window.
    step = reader.unmaskNext(10, 13)
    #expect(step.count == 0 && reader.frame?.ready == 3)
    reader.take(2)
    step = reader.unmaskNext(12, 100)
    #expect(step.count == 4 && step.key == 0x0302_0104)
    #expect(reader.frame?.isComplete == true && reader.frame?.ready == 5)
    #expect(!reader.atFrameStart)
    reader.endFrame()
    #expect(reader.atFrameStart)
  }
}
