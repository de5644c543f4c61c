// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

/// TCP as captures have it (RFC 9293 §3.10).
@Suite struct TCPStreamTests {
  static func recording() throws -> Recording {
    var recording = try Recording()
    for number in 0..<20 {
      try recording.send(
        TextMessage(data: "request \(number) " + String(repeating: "x", count: 40)),
        from: .client
      )
      try recording.send(TextMessage(data: "answer \(number)"), from: .server)
    }
    try recording.send(CloseConnection(code: 1000), from: .client)
    try recording.send(CloseConnection(code: 1000), from: .server)
    return recording
  }

  static let requests = (0..<20).map { "request \($0) " + String(repeating: "x", count: 40) }
  static let answers = (0..<20).map { "answer \($0)" }

  private func expectAll(_ builder: CaptureBuilder, _ comment: Comment? = nil) -> Inspected {
    let inspected = Inspected(builder.pcap())
    #expect(inspected.error == nil, comment)
    #expect(inspected.texts(from: .fromClient) == Self.requests, comment)
    #expect(inspected.texts(from: .fromServer) == Self.answers, comment)
    #expect(inspected.findings.isEmpty, comment)
    #expect(inspected.closings.map(\.end) == [.finished], comment)
    return inspected
  }

  @Test(
    "A conversation is the same in segments of any size, across the end of the sequence numbers",
    arguments: [1, 7, 33, 1400]
  )
  func sizes(_ size: Int) throws {
    let inspected = expectAll(CaptureBuilder(try Self.recording(), size: size))
    #expect(inspected.closings.first?.transport == TransportSummary())
  }

  @Test("Retransmitted segments are read once")
  func retransmission() throws {
    var builder = CaptureBuilder(try Self.recording(), size: 16)
    builder.change { segments in
      segments = segments.flatMap { segment in segment.bytes.isEmpty ? [segment] : [segment, segment] }
    }
    let inspected = expectAll(builder)
    #expect(inspected.closings.first?.transport.repeatedBytes ?? 0 > 1000)
  }

  @Test("A retransmission that overlaps what is known and what is new gives the new part")
  func overlap() throws {
    var builder = CaptureBuilder(try Self.recording(), size: 16)
    builder.change { segments in
      for index in segments.indices.reversed() where segments[index].bytes.count == 16 && index > 0 {
        guard segments[index - 1].sender == segments[index].sender, segments[index - 1].bytes.count == 16
        else { continue }
        segments[index].bytes = segments[index - 1].bytes + segments[index].bytes
        segments[index].offset = segments[index - 1].offset
      }
    }
    _ = expectAll(builder)
  }

  @Test("Segments out of order are put in order", arguments: 0..<5)
  func reordering(_ seed: Int) throws {
    var builder = CaptureBuilder(try Self.recording(), size: 9)
    builder.change { segments in
      // Swap neighbours of one direction, again and again.
      for round in 0...seed {
        var index = 3 + round
        while index + 1 < segments.count - 2 {
          if segments[index].sender == segments[index + 1].sender { segments.swapAt(index, index + 1) }
          index += 2 + seed
        }
      }
    }
    let inspected = expectAll(builder)
    #expect(inspected.closings.first?.transport.reorderedSegments ?? 0 > 0)
  }

  @Test("Bytes that are missing inside a payload cost that message alone")
  func gapInPayload() throws {
    var recording = try Recording()
    try recording.send(TextMessage(data: String(repeating: "a", count: 100)), from: .server)
    try recording.send(TextMessage(data: "whole"), from: .server)
    var builder = CaptureBuilder(recording, size: 10)
    builder.change { segments in
      let index = segments.lastIndex { $0.bytes == Array("aaaaaaaaaa".utf8) }
      if let index { segments.remove(at: index) }
    }
    let inspected = Inspected(builder.pcap())
    #expect(inspected.rules.contains("missing-bytes"))
    #expect(inspected.violations.isEmpty)
    #expect(inspected.messages().first?.isDamaged == true)
    #expect(inspected.messages().first?.unknownBytes == 10)
    #expect(inspected.texts().last == "whole")
  }

  @Test("Where boundaries of frames are missing, reading goes on with a segment that begins with a frame")
  func gapOverFrames() throws {
    var recording = try Recording()
    for number in 0..<6 { try recording.send(TextMessage(data: "message \(number)"), from: .client) }
    var builder = CaptureBuilder(recording)
    builder.change { $0.remove(at: 6) }
    let inspected = Inspected(builder.pcap())
    #expect(inspected.rules.contains("missing-frames"))
    #expect(inspected.texts() == ["message 0", "message 1", "message 3", "message 4", "message 5"])
    #expect(inspected.violations.isEmpty)
  }

  @Test("What the snap length has cut off is missing, and what follows is read")
  func snapLength() throws {
    var recording = try Recording()
    try recording.send(BytesMessage(data: Bytes([UInt8](repeating: 7, count: 600))), from: .server)
    try recording.send(TextMessage(data: "next"), from: .server)
    let builder = CaptureBuilder(recording)
    var file = Array(builder.pcap().prefix(24))
    for packet in builder.packets() {
      let kept = packet.prefix(400)
      for count in [0, 0, kept.count, packet.count] {
        file += (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
      }
      file += kept
    }
    let inspected = Inspected(file)
    #expect(inspected.messages().first?.isDamaged == true)
    #expect(inspected.texts().last == "next")
  }

  @Test("What is sent again after the end begins no new connection")
  func afterTheEnd() throws {
    var builder = CaptureBuilder(try Self.recording())
    builder.change { $0 += $0.dropFirst(2).prefix(6) }
    _ = expectAll(builder)
  }

  @Test("Ports that are used again begin a new connection")
  func reuse() throws {
    let one = CaptureBuilder(try Self.recording())
    var halves = CaptureBuilder(try Self.recording())
    halves.change { $0.removeLast(2) }
    let file = halves.pcap() + one.pcap().dropFirst(24)
    let inspected = Inspected(file)
    #expect(inspected.closings.map(\.end) == [.reused, .finished])
    #expect(inspected.texts(from: .fromServer) == Self.answers + Self.answers)
  }

  @Test("No more connections are followed at once than is allowed; those idle longest are given up")
  func limit() throws {
    var file: [UInt8] = []
    for port in 0..<20 {
      var builder = CaptureBuilder(try Self.recording())
      builder.clientPort = 40_000 + UInt16(port)
      builder.change { $0.removeLast(2) }
      file += file.isEmpty ? builder.pcap() : Array(builder.pcap().dropFirst(24))
    }
    var options = InspectionOptions()
    options.maxConnections = 8
    let inspected = Inspected(file, options: options)
    #expect(inspected.openings.count == 20)
    #expect(inspected.closings.filter { $0.end == .forgotten }.count == 12)
  }
}
