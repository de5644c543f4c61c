// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// Any message in every decoder: lines that are safe to show and of bounded length, or an error at a byte of the message. A
/// beginning of JSON, MessagePack, CBOR or MQTT fails only where the whole does.
enum FuzzPayloads {
  static func run(_ input: inout Input) {
    let choice = input.byte()
    let content = input.rest
    let isText = choice & 1 != 0
    let kept = Array(content.prefix(Int(choice >> 1)))
    for decoder in MessageDecoderChoice.all {
      let whole = read(decoder, content, isText, isCut: false)
      let beginning = read(decoder, kept, isText, isCut: true)
      guard ["json", "msgpack", "cbor", "mqtt"].contains(decoder.name), kept.count < content.count else {
        continue
      }
      if case .success = whole, case .failure(let error) = beginning {
        disagree(
          "a beginning that fails",
          [("decoder", decoder.name), ("content", content), ("kept", kept.count), ("error", error)]
        )
      }
    }
  }

  private static func read(
    _ decoder: any PayloadDecoder.Type,
    _ content: [UInt8],
    _ isText: Bool,
    isCut: Bool
  ) -> Result<[String], PayloadError> {
    do throws(PayloadError) {
      let lines = try decoder.init().lines(content, isText: isText, isCut: isCut)
      for line in lines
      where line.utf8.count > 16_384
        || line.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 })
      {
        disagree(
          "a line that is too long or not escaped",
          [("decoder", decoder.name), ("content", content), ("line", line)]
        )
      }
      return .success(lines)
    } catch {
      guard 0...content.count ~= error.offset else {
        disagree(
          "an error beside the message",
          [("decoder", decoder.name), ("content", content), ("error", error)]
        )
      }
      return .failure(error)
    }
  }

  static func seeds() -> [[UInt8]] {
    let texts = [
      #"{"id":"1","type":"subscribe","payload":{"query":"{a}"}}"#,
      #"42/chat,7["event",{"a":[1,2.5e3,null]}]"#,
      #"451-["b",{"_placeholder":true,"num":0}]"#, "SEND\ndestination:/q\ncontent-length:5\n\nhello\0\n",
      "[1,2]",
    ]
    let binaries: [[UInt8]] = [
      [0xA2, 0x61, 0x61, 1, 0x61, 0x62, 0x82, 2, 3], [0x9F, 1, 0x82, 2, 3, 0x9F, 4, 5, 0xFF, 0xFF],
      [0xF9, 0x3E, 0],
      [0x5F, 0x42, 1, 2, 0x43, 3, 4, 5, 0xFF], [0xC1, 0x1A, 0x51, 0x4B, 0x67, 0xB0],
      [0x82, 0xA1, 0x61, 1, 0xA1, 0x62, 0x93, 0xC0, 0xC2, 0xC3], [0xD6, 0xFF, 0, 0, 0, 1],
      [0xDE, 0, 1, 0xA0, 0xCB],
      [0x10, 16, 0, 4, 0x4D, 0x51, 0x54, 0x54, 4, 2, 0, 0x3C, 0, 4, 1, 2, 3, 4],
      [0x32, 7, 0, 1, 0x74, 0, 5, 1, 2, 0xC0, 0],
    ]
    return texts.map { [255] + Array($0.utf8) } + binaries.map { [254] + $0 }
  }
}
