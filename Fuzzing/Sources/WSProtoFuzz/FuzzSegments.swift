// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

@testable import WSProtoLab

/// A conversation in TCP segments: repeated, overlapping and reordered ones give the frames, messages and findings of the
/// same bytes in order; lost ones cost no trap.
enum FuzzSegments {
  static func run(_ input: inout Input) {
    let choice = input.byte()
    let script = SegmentScript(&input)
    let inOrder = Sides(script.file(script.segments))
    let shuffled = Sides(script.file(script.shuffled(choice)))
    if inOrder != shuffled {
      disagree(
        "segments in another order",
        [("segments", script.shuffled(choice)), ("in order", inOrder), ("shuffled", shuffled)]
      )
    }
    _ = Told(script.file(script.thinned(choice)), split: 0, InspectionOptions())
  }

  static func seeds() -> [[UInt8]] {
    (0..<24).map { number in
      var random = SeededRandom(UInt64(number) &* 977)
      return random.bytes(20 + number * 6)
    }
  }

  /// What was told of each direction, without what depends on the other one's times.
  private struct Sides: Equatable {
    var lines: [Direction: [String]] = [:]

    init(_ file: [UInt8]) {
      var renderer = JSONRenderer()
      var lines: [Direction: [String]] = [:]
      let inspection = Inspection { observation in
        guard let direction = observation.direction else { return }
        var observation = observation
        observation.time = nil
        switch observation.content {
        case .frame(var frame):
          frame.roundTrip = nil
          observation.content = .frame(frame)
        case .message(var message):
          message.answerTime = nil
          observation.content = .message(message)
        case .finding(let finding) where finding.rule == "unsolicited-pong": return
        default: break
        }
        lines[direction, default: []].append(renderer.line(observation))
      }
      try? inspection.receive(file.span.bytes)
      try? inspection.finish()
      self.lines = lines
    }
  }
}

/// A connection from its SYN on, with the example of RFC 6455 §1.3 as its handshake and frames that the input chooses.
struct SegmentScript {
  struct Segment {
    var isClient: Bool
    var offset: Int
    var bytes: [UInt8]
    var flags: UInt8 = 0x10
  }

  private(set) var segments: [Segment] = []

  init(_ input: inout Input) {
    let size = 1 + Int(input.byte())
    let compresses = input.byte() & 1 != 0
    let offer = compresses ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : ""
    let request =
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + offer + "\r\n"
    let response =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" + offer + "\r\n"
    var streams: [[UInt8]] = [Array(request.utf8), Array(response.utf8)]
    for (index, receiver) in [ConnectionType.server, .client].enumerated() {
      let deflater =
        compresses ? try? DeflateStream(DeflateSettings(windowBits: 15, level: -1, memoryLevel: 8)) : nil
      var grammar = FrameGrammar(receiver: receiver, deflater: deflater)
      var part = Input(index == 0 ? input.bytes(200) : input.rest)
      streams[index] += grammar.stream(&part, atMost: 12).prefix(20_000)
    }
    segments = [
      Segment(isClient: true, offset: -1, bytes: [], flags: 2),
      Segment(isClient: false, offset: -1, bytes: [], flags: 0x12),
    ]
    for (index, stream) in streams.enumerated() {
      var offset = 0
      while offset < stream.count {
        let bytes = Array(stream[offset...].prefix(offset > 400 ? size * 8 : size))
        segments.append(Segment(isClient: index == 0, offset: offset, bytes: bytes))
        offset += bytes.count
      }
      segments.append(Segment(isClient: index == 0, offset: offset, bytes: [], flags: 0x11))
    }
  }

  /// The segments after the SYNs in another order, some twice, some with bytes of the one before.
  func shuffled(_ seed: UInt8) -> [Segment] {
    var random = SeededRandom(UInt64(seed))
    var rest = Array(segments.dropFirst(2))
    for index in rest.indices where !rest[index].bytes.isEmpty {
      switch Int.random(in: 0..<8, using: &random) {
      case 0: rest.append(rest[index])
      case 1:
        guard index > 0, rest[index - 1].isClient == rest[index].isClient else { continue }
        let before = rest[index - 1].bytes.suffix(3)
        if before.count == 3, rest[index - 1].offset + rest[index - 1].bytes.count == rest[index].offset {
          rest[index].bytes = before + rest[index].bytes
          rest[index].offset -= 3
        }
      default: break
      }
    }
    for index in rest.indices {
      let other = min(rest.count - 1, index + Int.random(in: 0..<6, using: &random))
      rest.swapAt(index, other)
    }
    return segments.prefix(2) + rest
  }

  /// The segments without some of them.
  func thinned(_ seed: UInt8) -> [Segment] {
    var random = SeededRandom(UInt64(seed) + 1000)
    return segments.filter { _ in Int.random(in: 0..<5, using: &random) > 0 }
  }

  /// A pcap file of these segments, as IPv4 packets without a link.
  func file(_ segments: [Segment]) -> [UInt8] {
    func be(_ value: UInt32, _ count: Int = 4) -> [UInt8] {
      (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt32($0 * 8)) }
    }
    var file: [UInt8] =
      [0xA1, 0xB2, 0xC3, 0xD4, 0, 2, 0, 4] + [UInt8](repeating: 0, count: 12) + [0, 0, 0, 101]
    for (number, segment) in segments.enumerated() {
      let ports: [UInt32] = segment.isClient ? [5000, 80] : [80, 5000]
      let sequence = 0xFFFF_FFF0 &+ UInt32(truncatingIfNeeded: segment.offset)
      var packet: [UInt8] =
        [0x45, 0] + be(UInt32(40 + segment.bytes.count), 2) + [0, 0, 0x40, 0, 64, 6, 0, 0]
      packet += segment.isClient ? [10, 0, 0, 1, 10, 0, 0, 2] : [10, 0, 0, 2, 10, 0, 0, 1]
      packet +=
        be(ports[0], 2) + be(ports[1], 2) + be(sequence) + be(0) + [
          0x50, segment.flags, 255, 255, 0, 0, 0, 0,
        ]
      packet += segment.bytes
      file += be(1) + be(UInt32(number)) + be(UInt32(packet.count)) + be(UInt32(packet.count)) + packet
    }
    return file
  }
}
