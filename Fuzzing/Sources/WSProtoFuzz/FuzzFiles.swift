// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

@testable import WSProtoLab

/// Any bytes as a file of a recorded conversation: what is told doesn't depend on the pieces in which the file is read, every
/// line is safe to show, and every line of JSON is JSON.
enum FuzzFiles {
  static func run(_ input: inout Input) {
    let split = input.byte()
    let choice = input.byte()
    var options = InspectionOptions()
    // One in eight for each format, so that bytes get behind the recognition; else the bytes decide.
    let formats = CaptureFormat.allCases
    if choice & 7 < formats.count { options.format = formats[Int(choice & 7)] }
    options.maxConnections = 1 + Int(choice >> 3 & 3)
    options.messageBytes = choice & 0x20 == 0 ? 64 << 10 : 5
    let file = input.rest
    let whole = Told(file, split: 0, options)
    let cut = Told(file, split: split, options)
    if whole != cut {
      disagree("a file in pieces", [("file", file), ("split", split), ("whole", whole), ("cut", cut)])
    }
  }

  static func seeds() -> [[UInt8]] {
    var seeds: [[UInt8]] = []
    let har =
      #"{"log":{"entries":[{"_webSocketMessages":[{"type":"send","time":1.5,"opcode":1,"data":"a\u00e9"},"#
      + #"{"type":"receive","time":2,"opcode":2,"data":"AQID"}],"request":{"url":"ws://a/"},"response":{"status":101}}]}}"#
    let texts = [
      har, "810548656c6c6f\n", "> 81 85 01 02 03 04 49 67 6f 68 6e\n< 81 05 48 65 6c 6c 6f\n",
      "00000000: 8105 4865 6c6c 6f   ..Hello\n", "00000000  81 05 48 65 6c 6c 6f  |..Hello|\n00000007\n",
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
    ]
    for (number, text) in texts.enumerated() { seeds.append([UInt8(number * 17), 7] + Array(text.utf8)) }
    for number in 0..<6 {
      var random = SeededRandom(UInt64(number))
      var input = Input(random.bytes(40))
      let capture = SegmentScript(&input)
      seeds.append([UInt8(number * 31), 7] + capture.file(capture.segments))
    }
    seeds.append([
      3, 3, 0x81, 5, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0xC1, 7, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0,
    ])
    return seeds
  }
}

/// What a run tells of a file, in both forms.
struct Told: Equatable {
  private(set) var json: [String] = []
  private(set) var text: [String] = []
  private(set) var statistics: [String] = []
  private(set) var error: CaptureError?

  init(_ file: [UInt8], split: UInt8, _ options: InspectionOptions) {
    var told: [Observation] = []
    let inspection = Inspection(options: options) { told.append($0) }
    do throws(CaptureError) {
      for piece in cut(file, by: split) { try inspection.receive(piece.span.bytes) }
      try inspection.finish()
    } catch {
      self.error = error
      try? inspection.finish()
    }
    render(told)
  }

  private mutating func render(_ told: [Observation]) {
    var asText = TextRenderer()
    asText.decoder = .bySubprotocol
    var asJSON = JSONRenderer()
    var counts = Statistics()
    for observation in told {
      let line = asJSON.line(observation)
      var tokenizer = JSONTokenizer(maxStringBytes: 0)
      do throws(JSONSyntaxError) {
        try tokenizer.read(line.utf8) { _ in }
        try tokenizer.finish { _ in }
      } catch {
        disagree("a line of JSON that is none", [("line", line), ("error", error)])
      }
      json.append(line)
      text += asText.lines(observation)
      counts.add(observation)
    }
    statistics = counts.lines + [counts.json]
    for line in json + text + statistics where !Self.isSafe(line) {
      disagree("a line that steers a terminal", [("line", line.debugDescription)])
    }
  }

  static func isSafe(_ line: String) -> Bool {
    line.unicodeScalars.allSatisfy { scalar in
      switch (scalar.value, scalar.properties.generalCategory) {
      // A tab in a head, and the joiners of scripts and emoji, are shown.
      case (0x09, _), (0x200C...0x200D, _): true
      case (_, .control), (_, .format), (_, .lineSeparator), (_, .paragraphSeparator): false
      default: true
      }
    }
  }
}
