// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct FrameDecoderTests {
  /// Frames joined: the parts of one frame become one.
  struct Joined: Equatable {
    var opcode: Opcode
    var bytes: [UInt8]
    var fin: Bool
  }

  static func run(client: Bool, _ pieces: [[UInt8]], limits: Limits = Limits()) -> (
    [Joined], ParseFailed?, [UInt8]
  ) {
    let decoder = FrameDecoder(client: client, limits: limits)
    var joined: [Joined] = []
    var open: Joined?
    do throws(ParseFailed) {
      for piece in pieces {
        decoder.receiveBytes(piece)
        while let frame = try decoder.processBuffer() {
          guard case .bytes(let data) = frame.payload else {
            Issue.record("a decoder gives bytes")
            continue
          }
          var whole = open ?? Joined(opcode: frame.opcode, bytes: [], fin: frame.messageFinished)
          if open != nil { #expect(frame.opcode == .continuation) }
          whole.bytes += data
          open = whole
          if frame.frameFinished {
            joined.append(whole)
            open = nil
          }
        }
      }
    } catch {
      return (joined, error, open?.bytes ?? [])
    }
    return (joined, nil, open?.bytes ?? [])
  }

  static let allSizes = [0, 1, 2, 7, 8, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537]

  @Test(
    "RFC 6455 §5.2: frames of all sizes around the boundaries are decoded, whole, byte by byte, with trailing data",
    .requirement("6455-6.2-unmask"),
    arguments: [true, false],
    allSizes
  )
  func sizes(client: Bool, size: Int) {
    var payload = [UInt8](repeating: 0, count: size)
    for index in payload.indices { payload[index] = UInt8(truncatingIfNeeded: index &* 31) }
    let role: ConnectionType = client ? .client : .server
    let bytes = WireFrame(to: role, 2, payload).bytes
    let expected = [Joined(opcode: .binary, bytes: payload, fin: true)]
    #expect(Self.run(client: client, [bytes]).0 == expected)
    if size < 1000 { #expect(Self.run(client: client, bytes.map { [$0] }).0 == expected) }
    let half = bytes.count / 2
    #expect(Self.run(client: client, [Array(bytes[..<half]), Array(bytes[half...])]).0 == expected)
    let next = WireFrame(to: role, 9, [1, 2]).bytes
    let second = Joined(opcode: .ping, bytes: [1, 2], fin: true)
    #expect(Self.run(client: client, [bytes + next + [0x82]]).0 == expected + [second])
  }

  static let vectors: [(String, client: Bool, [UInt8], [Joined])] = [
    (
      "a single-frame unmasked text message", true, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
      [Joined(opcode: .text, bytes: Array("Hello".utf8), fin: true)]
    ),
    (
      "a single-frame masked text message", false,
      [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
      [Joined(opcode: .text, bytes: Array("Hello".utf8), fin: true)]
    ),
    (
      "a fragmented unmasked text message", true, [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f],
      [
        Joined(opcode: .text, bytes: Array("Hel".utf8), fin: false),
        Joined(opcode: .continuation, bytes: Array("lo".utf8), fin: true),
      ]
    ),
    (
      "an unmasked ping", true, [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f],
      [Joined(opcode: .ping, bytes: Array("Hello".utf8), fin: true)]
    ),
    (
      "a masked pong", false, [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58],
      [Joined(opcode: .pong, bytes: Array("Hello".utf8), fin: true)]
    ),
    (
      "256 bytes of binary data", true, [0x82, 0x7e, 0x01, 0x00] + [UInt8](repeating: 7, count: 256),
      [Joined(opcode: .binary, bytes: [UInt8](repeating: 7, count: 256), fin: true)]
    ),
    (
      "64 KiB of binary data", true,
      [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0] + [UInt8](repeating: 8, count: 65536),
      [Joined(opcode: .binary, bytes: [UInt8](repeating: 8, count: 65536), fin: true)]
    ),
  ]

  @Test(
    "RFC 6455 §5.7: the examples decode as the section says",
    .requirement("6455-6.2-unmask", "6455-5.4-receive-both"),
    arguments: vectors.indices
  )
  func examples(index: Int) {
    let (name, client, bytes, expected) = Self.vectors[index]
    #expect(Self.run(client: client, [bytes]).0 == expected, "\(name)")
    #expect(Self.run(client: client, [bytes, [0x88]]).0 == expected, "\(name)")
    if bytes.count < 1000 { #expect(Self.run(client: client, bytes.map { [$0] }).0 == expected, "\(name)") }
  }

  @Test(
    "RFC 6455 §5.2: a reserved bit that no extension uses is refused at the header, whatever the opcode",
    .threat(7),
    .requirement("6455-5.2-rsv-receive"),
    arguments: Opcode.allCases,
    UInt8(1)...7
  )
  func reservedBits(opcode: Opcode, rsv: UInt8) {
    let header = WireFrame(opcode.rawValue, rsv: rsv, declaredLength: 100).header
    for pieces in [[header], header.map { [$0] }, [header + [1, 2, 3]]] {
      let (frames, failure, delivered) = Self.run(client: true, pieces)
      #expect(frames.isEmpty && delivered.isEmpty)
      #expect(failure?.code == .protocolError)
    }
  }

  @Test(
    "a frame longer than the limit is refused when its header is read",
    .threat(3, 5),
    .requirement("6455-10.4-limits"),
    arguments: [0, 10, 70000]
  )
  func frameLimit(limit: Int) {
    var limits = Limits()
    limits.maxFramePayload = limit
    let legal = WireFrame(2, [UInt8](repeating: 1, count: limit)).bytes
    #expect(Self.run(client: true, [legal], limits: limits).1 == nil)
    let header = WireFrame(2, declaredLength: UInt64(limit) + 1).header
    #expect(Self.run(client: true, [header], limits: limits).1?.code == .messageTooBig)
    #expect(Self.run(client: true, header.map { [$0] }, limits: limits).1?.code == .messageTooBig)
    // Control frames have their own limit.
    #expect(
      Self.run(client: true, [WireFrame(9, [UInt8](repeating: 1, count: 125)).bytes], limits: limits).1 == nil
    )
  }

  @Test("data is returned as it arrives, control frames are returned whole, and so is an empty frame")
  func parts() throws {
    let decoder = FrameDecoder(client: true)
    decoder.receiveBytes([0x82, 0x03, 0x01] as [UInt8])
    let first = try decoder.processBuffer()
    #expect(
      first == Frame(opcode: .binary, payload: .bytes([1]), frameFinished: false, messageFinished: true)
    )
    #expect(try decoder.processBuffer() == nil)
    decoder.receiveBytes([2, 3, 0x89, 0x02, 0x05] as [UInt8])
    let rest = try decoder.processBuffer()
    #expect(
      rest
        == Frame(opcode: .continuation, payload: .bytes([2, 3]), frameFinished: true, messageFinished: true)
    )
    #expect(try decoder.processBuffer() == nil)
    decoder.receiveBytes([6, 0x02, 0x00] as [UInt8])
    let ping = try decoder.processBuffer()
    #expect(
      ping == Frame(opcode: .ping, payload: .bytes([5, 6]), frameFinished: true, messageFinished: true)
    )
    let empty = try decoder.processBuffer()
    #expect(empty == Frame(opcode: .binary, payload: .bytes([]), frameFinished: true, messageFinished: false))
  }

  @Test("a failure persists, and nothing after it is read (RFC 6455 §7.1.7)", .requirement("6455-7.1.7-stop"))
  func failureStays() {
    let decoder = FrameDecoder(client: true)
    decoder.receiveBytes([0xC2, 0x01, 0x01] as [UInt8])
    #expect(throws: ParseFailed.self) { try decoder.processBuffer() }
    decoder.receiveBytes([0x82, 0x00] as [UInt8])
    #expect(throws: ParseFailed.self) { try decoder.processBuffer() }
  }

  @Test("nothing is allocated just because a length is declared", .threat(4))
  func noReservation() throws {
    var limits = Limits()
    limits.maxFramePayload = .max
    limits.maxMessageBytes = .max
    limits.maxMessageWireBytes = .max
    let decoder = FrameDecoder(client: true, limits: limits)
    // 2^62 bytes announced: reserving even a thousandth of them could not succeed.
    decoder.receiveBytes(WireFrame(2, declaredLength: 1 << 62).header + [5])
    let part = try decoder.processBuffer()
    #expect(part == Frame(opcode: .binary, payload: .bytes([5]), frameFinished: false, messageFinished: true))
    #expect(try decoder.processBuffer() == nil)
  }
}
