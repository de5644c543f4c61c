// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct MessageDecoderTests {
  static func frame(_ opcode: Opcode, _ bytes: [UInt8], frame: Bool = true, fin: Bool = true) -> Frame {
    Frame(opcode: opcode, payload: .bytes(Bytes(bytes)), frameFinished: frame, messageFinished: fin)
  }

  @Test(
    "each frame is returned with the type of its message (RFC 6455 §5.4)",
    arguments: [Opcode.text, .binary]
  )
  func types(type: Opcode) throws {
    var decoder = MessageDecoder()
    let frames = [(type, false), (.continuation, false), (.continuation, true), (type, true)]
    for (opcode, fin) in frames {
      let out = try decoder.processFrame(Self.frame(opcode, [0x61], fin: fin))
      #expect(out.opcode == type)
      #expect(out.messageFinished == fin)
      #expect(out.payload == (type == .text ? .text("a") : .bytes([0x61])))
      #expect(decoder.opcode == (fin ? nil : type))
    }
  }

  @Test("a part of the last frame doesn't end the message until the frame is complete (RFC 6455 §5.4)")
  func partOfLastFrame() throws {
    var decoder = MessageDecoder()
    let part = try decoder.processFrame(Self.frame(.binary, [1], frame: false, fin: true))
    #expect(!part.messageFinished && !part.frameFinished)
    let rest = try decoder.processFrame(Self.frame(.continuation, [2], frame: true, fin: true))
    #expect(rest == Self.frame(.binary, [2]))
  }

  @Test("a continuation without a message, and a message inside another, are refused (RFC 6455 §5.4)")
  func order() throws {
    var decoder = MessageDecoder()
    var error = #expect(throws: ParseFailed.self) { try decoder.processFrame(Self.frame(.continuation, [])) }
    #expect(error?.code == .protocolError)
    for first in [Opcode.text, .binary] {
      for second in [Opcode.text, .binary] {
        decoder = MessageDecoder()
        _ = try decoder.processFrame(Self.frame(first, [], fin: false))
        error = #expect(throws: ParseFailed.self) { try decoder.processFrame(Self.frame(second, [])) }
        #expect(error?.code == .protocolError)
      }
    }
  }

  @Test(
    "control frames, and payloads that aren't bytes, are not part of a message",
    arguments: [Opcode.close, .ping, .pong]
  )
  func control(opcode: Opcode) {
    var decoder = MessageDecoder()
    #expect(throws: ParseFailed.self) { try decoder.processFrame(Self.frame(opcode, [])) }
    let text = Frame(opcode: .text, payload: .text("a"), frameFinished: true, messageFinished: true)
    #expect(throws: ParseFailed.self) { try decoder.processFrame(text) }
  }

  @Test("text is cut between characters, wherever the frames are split (RFC 6455 §5.6)")
  func splitText() throws {
    let text = "aé€😎\u{10FFFF}z"
    let bytes = Array(text.utf8)
    for cut in 0...bytes.count {
      for second in cut...bytes.count {
        var decoder = MessageDecoder()
        var joined = ""
        let parts: [(Opcode, ArraySlice<UInt8>, Bool)] = [
          (.text, bytes[..<cut], false), (.continuation, bytes[cut..<second], false),
          (.continuation, bytes[second...], true),
        ]
        for (opcode, part, fin) in parts {
          let out = try decoder.processFrame(Self.frame(opcode, Array(part), fin: fin))
          guard case .text(let piece) = out.payload else {
            Issue.record("no text")
            return
          }
          joined += piece
          #expect(text.unicodeScalars.starts(with: joined.unicodeScalars))
        }
        #expect(joined == text)
      }
    }
  }

  @Test(
    "text that is not UTF-8 is 1007, also if the message ends inside a character (RFC 6455 §8.1)",
    arguments: [
      [0x80], [0xC0, 0xAF], [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90], [0xF0, 0x9F, 0x98],
    ] as [[UInt8]]
  )
  func invalidText(bytes: [UInt8]) throws {
    var decoder = MessageDecoder()
    let error = #expect(throws: ParseFailed.self) { try decoder.processFrame(Self.frame(.text, bytes)) }
    #expect(error?.code == .invalidFramePayloadData)
    decoder = MessageDecoder()
    #expect(try decoder.processFrame(Self.frame(.binary, bytes)).payload == .bytes(Bytes(bytes)))
  }
}
