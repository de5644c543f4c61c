// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite struct FrameWalkerTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var rule: String
    var section: String
    var offset: Int
    var code: CloseReason
    var stops = true
    var bytes: [UInt8]
    var sender = ConnectionType.server
    var testDescription: String { rule }
  }

  /// Each begins with a legal frame of 4 bytes from a server, or of 8 from a client.
  static let cases: [Case] = [
    Case(rule: "reserved-opcode", section: "RFC 6455 §5.2", offset: 4, code: 1002, bytes: [0x83, 0]),
    Case(rule: "reserved-opcode", section: "RFC 6455 §5.2", offset: 4, code: 1002, bytes: [0x8F, 0]),
    Case(rule: "reserved-bit", section: "RFC 6455 §5.2", offset: 4, code: 1002, bytes: [0xA1, 0]),
    Case(
      rule: "fragmented-control-frame",
      section: "RFC 6455 §5.5",
      offset: 4,
      code: 1002,
      bytes: [0x09, 0]
    ),
    Case(
      rule: "long-control-frame",
      section: "RFC 6455 §5.5",
      offset: 5,
      code: 1002,
      bytes: [0x89, 126, 0, 126] + [UInt8](repeating: 0, count: 126)
    ),
    Case(
      rule: "masked-server-frame",
      section: "RFC 6455 §5.1",
      offset: 5,
      code: 1002,
      bytes: masked(0x81, [1])
    ),
    Case(
      rule: "unmasked-client-frame",
      section: "RFC 6455 §5.1",
      offset: 9,
      code: 1002,
      bytes: [0x81, 1, 0x61],
      sender: .client
    ),
    Case(
      rule: "length-not-minimal",
      section: "RFC 6455 §5.2",
      offset: 6,
      code: 1002,
      bytes: [0x82, 126, 0, 125]
    ),
    Case(
      rule: "length-not-minimal",
      section: "RFC 6455 §5.2",
      offset: 6,
      code: 1002,
      bytes: [0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
    ),
    Case(
      rule: "length-too-large",
      section: "RFC 6455 §5.2",
      offset: 6,
      code: 1002,
      bytes: [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]
    ),
    Case(
      rule: "continuation-without-message",
      section: "RFC 6455 §5.4",
      offset: 4,
      code: 1002,
      bytes: [0x80, 1, 0x61]
    ),
    Case(
      rule: "message-inside-message",
      section: "RFC 6455 §5.4",
      offset: 7,
      code: 1002,
      bytes: [0x01, 1, 0x61, 0x81, 1, 0x62]
    ),
    Case(
      rule: "text-not-utf8",
      section: "RFC 6455 §8.1",
      offset: 8,
      code: 1007,
      stops: false,
      bytes: [0x81, 4, 0x61, 0x62, 0xFF, 0x63]
    ),
    Case(
      rule: "text-not-utf8",
      section: "RFC 6455 §8.1",
      offset: 11,
      code: 1007,
      stops: false,
      bytes: [0x01, 2, 0x61, 0xC3, 0x80, 2, 0xA4, 0xC0]
    ),
    Case(
      rule: "text-not-utf8",
      section: "RFC 6455 §8.1",
      offset: 7,
      code: 1007,
      stops: false,
      bytes: [0x81, 1, 0xC3]
    ),
    Case(
      rule: "close-of-one-byte",
      section: "RFC 6455 §5.5.1",
      offset: 6,
      code: 1002,
      stops: false,
      bytes: [0x88, 1, 3]
    ),
    Case(
      rule: "close-code",
      section: "RFC 6455 §7.4.1",
      offset: 6,
      code: 1002,
      stops: false,
      bytes: [0x88, 2, 0x03, 0xED]
    ),
    Case(
      rule: "close-reason-not-utf8",
      section: "RFC 6455 §5.5.1",
      offset: 8,
      code: 1007,
      stops: false,
      bytes: [0x88, 3, 0x03, 0xE8, 0xFF]
    ),
    Case(
      rule: "deflate-data",
      section: "RFC 7692 §7.2.2",
      offset: 4,
      code: 1007,
      stops: false,
      bytes: [0xC1, 2, 0xFF, 0xFF]
    ),
  ]

  @Test(
    "Each violation is told at its byte, with its section and the code to close with",
    arguments: cases,
    [0, 1, 3]
  )
  func violation(_ one: Case, piece: Int) {
    let legal = one.sender == .server ? [0x82, 2, 1, 2] : masked(0x82, [1, 2])
    let inspected = Inspected(raw: legal + one.bytes, from: one.sender, piece: piece)
    #expect(inspected.violations.count == 1)
    let finding = inspected.violations.first
    #expect(finding?.rule == one.rule)
    #expect(finding?.section == one.section)
    #expect(finding?.offset == one.offset)
    #expect(finding?.closeCode == one.code)
    #expect(finding?.stops == one.stops)
    #expect(inspected.frames.first?.payload == [1, 2])
  }

  @Test("After a violation that leaves no boundaries nothing more is told of the direction (RFC 6455 §7.1.7)")
  func stops() {
    let inspected = Inspected(raw: [0x83, 0, 0x81, 1, 0x61], from: .server)
    #expect(inspected.frames.map(\.head.opcode) == [3])
    #expect(inspected.messages().isEmpty)
  }

  @Test("After text that is not UTF-8 the frames that follow are told")
  func goesOn() {
    let inspected = Inspected(raw: [0x81, 1, 0xFF, 0x81, 1, 0x61], from: .server)
    #expect(inspected.violations.count == 1)
    #expect(inspected.texts().last == "a")
  }

  @Test(
    "Frames and messages have their offsets, and control frames between fragments are no part of a message (RFC 6455 §5.4)"
  )
  func fragments() {
    let bytes: [UInt8] = [0x01, 2, 0x48, 0x65, 0x89, 1, 0x21, 0x00, 1, 0x6C, 0x80, 2, 0x6C, 0x6F]
    for piece in 0...5 {
      let inspected = Inspected(raw: bytes, from: .server, piece: piece)
      #expect(inspected.frames.map(\.offset) == [0, 4, 7, 10])
      #expect(inspected.texts() == ["Hello"])
      #expect(inspected.messages().first?.frames == 3)
      #expect(inspected.messages().first?.wireBytes == 5)
      #expect(inspected.findings.isEmpty)
    }
  }

  @Test("The sender of a file of one direction is seen by the mask of its first frame (RFC 6455 §5.1)")
  func mask() {
    let client = Inspected(raw: masked(0x81, Array("hi".utf8)))
    #expect(client.texts(from: .fromClient) == ["hi"])
    let server = Inspected(raw: [0x81, 2, 0x68, 0x69])
    #expect(server.texts(from: .fromServer) == ["hi"])
  }

  @Test(
    "What is legal and unusual is an oddity",
    arguments: [
      ("empty-fragment", [0x01, 0, 0x80, 1, 0x61], ConnectionType.server),
      ("empty-fragment", [0x01, 1, 0x61, 0x80, 0], .server),
      ("unsolicited-pong", [0x8A, 1, 0x61], .server),
      ("uncompressed-message", [0xC1, 1, 0, 0x81, 1, 0x61], .server),
      ("zero-mask", [0x81, 0x81, 0, 0, 0, 0, 0x61], .client),
      ("repeated-mask", masked(0x81, [0x61]) + masked(0x81, [0x62]), .client),
      ("frame-after-close", [0x88, 0, 0x89, 0], .server),
    ] as [(String, [UInt8], ConnectionType)]
  )
  func oddity(_ rule: String, _ bytes: [UInt8], _ sender: ConnectionType) {
    let inspected = Inspected(raw: bytes, from: sender)
    #expect(inspected.findings.filter { $0.severity == .oddity }.map(\.rule).contains(rule))
    #expect(inspected.violations.isEmpty)
  }

  @Test("A data frame after a Close is a violation (RFC 6455 §5.5.1)")
  func afterClose() {
    let inspected = Inspected(raw: [0x88, 0, 0x81, 1, 0x61], from: .server)
    #expect(inspected.violations.map(\.rule) == ["data-after-close"])
    #expect(inspected.violations.first?.offset == 2)
  }

  @Test("A Close frame has its code and reason, 1005 without one (RFC 6455 §7.1.5)")
  func close() {
    #expect(Inspected(raw: [0x88, 0], from: .server).frames.first?.closeCode == .noStatusRcvd)
    let frame = Inspected(raw: [0x88, 4, 0x03, 0xE9, 0x68, 0x69], from: .server).frames.first
    #expect(frame?.closeCode == 1001)
    #expect(frame?.closeReason == "hi")
  }

  @Test("A stream that ends inside a frame or a message says so", arguments: 1..<9)
  func cutOff(_ count: Int) {
    let bytes: [UInt8] = [0x01, 2, 0x48, 0x65, 0x80, 3, 0x6C, 0x6C, 0x6F]
    let inspected = Inspected(raw: Array(bytes.prefix(count)), from: .server)
    #expect(inspected.rules == [count == 4 ? "unfinished-message" : "cut-off-frame"])
  }

  @Test("A large file of one direction is the same in one piece and in many")
  func large() {
    let frame: [UInt8] = [0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70] + [UInt8](repeating: 7, count: 70_000)
    let file = [[UInt8]](repeating: frame, count: 3).flatMap { $0 }
    for piece in [0, 1000, 65_536] {
      let inspected = Inspected(raw: file, from: .server, piece: piece)
      #expect(inspected.messages().map(\.size) == [70_000, 70_000, 70_000])
      #expect(inspected.frames.map(\.offset) == [0, 70_010, 140_020])
      #expect(inspected.findings.isEmpty)
    }
  }

  /// Found by fuzzing: what was told depended on the pieces.
  static let onceDifferent: [[UInt8]] = [
    // A frame out of order, with a payload.
    [0x80, 6, 1, 2, 3, 4, 5, 6],
    // Text that is broken before the first byte that refers to what was not captured.
    [
      129, 5, 72, 101, 108, 108, 111, 193, 64, 242, 72, 3, 129, 201, 7, 3, 129, 5, 72, 101, 108, 108, 111,
      193, 64,
      242, 72, 3, 129, 201, 7, 0,
    ],
    // Compressed data that fails after some output.
    [0xC1, 9, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0xFF, 0xFF, 0xFF],
    // More capitals than any method has.
    [UInt8](repeating: 0x4B, count: 25) + [UInt8](repeating: 0x2F, count: 60),
  ]

  @Test("What is told of one direction doesn't depend on the pieces", arguments: onceDifferent)
  func pieces(_ bytes: [UInt8]) {
    let whole = Inspected(raw: bytes).lines
    for piece in 1..<bytes.count { #expect(Inspected(raw: bytes, piece: piece).lines == whole) }
  }

  @Test("A message is kept up to the size that is asked for, and its whole size is told")
  func kept() {
    var options = InspectionOptions()
    options.messageBytes = 10
    options.framePreviewBytes = 3
    let inspected = Inspected([0x82, 126, 1, 0] + [UInt8](repeating: 7, count: 256), options: options)
    #expect(inspected.messages().first?.size == 256)
    #expect(inspected.messages().first?.content == [UInt8](repeating: 7, count: 10))
    #expect(inspected.frames.first?.payload == [7, 7, 7])
  }
}
