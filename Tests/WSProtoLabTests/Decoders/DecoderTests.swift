// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@testable import WSProtoLab

@Suite struct DecoderTests {
  private func bytes(_ hex: String) -> [UInt8] {
    var reader = HexDumpReader()
    var queue = ByteQueue()
    var bytes: [UInt8] = []
    queue.append(Array(hex.utf8).span.bytes)
    try? reader.read(&queue) { bytes += $1 }
    try? reader.finish(at: 0) { bytes += $1 }
    return bytes
  }

  private func lines(_ name: String, _ content: [UInt8], isText: Bool = true, size: Int? = nil) -> [String] {
    var record = MessageRecord(number: 1, opcode: isText ? .text : .binary, offset: 0)
    record.content = content
    record.size = UInt64(size ?? content.count)
    return MessageDecoderChoice(named: name)?.lines(of: record, subprotocol: nil) ?? ["no decoder"]
  }

  @Test(
    "CBOR in its diagnostic notation: examples of RFC 8949, Appendix A",
    arguments: [
      ("00", "0"), ("1bffffffffffffffff", "18446744073709551615"),
      ("3bffffffffffffffff", "-18446744073709551616"),
      ("20", "-1"), ("f90000", "0.0"), ("f93e00", "1.5"), ("f97bff", "65504.0"), ("f90001", "5.9604645e-08"),
      ("f9c400", "-4.0"), ("f97c00", "inf"), ("fa47c35000", "100000.0"), ("fb3ff199999999999a", "1.1"),
      ("f4", "false"), ("f6", "null"), ("f7", "undefined"), ("f0", "simple(16)"), ("f8ff", "simple(255)"),
      ("c11a514b67b0", "1(1363896240)"), ("4401020304", "h'01020304'"), ("6449455446", "\"IETF\""),
      ("8301820203820405", "[1, [2, 3], [4, 5]]"), ("a26161016162820203", "{\"a\": 1, \"b\": [2, 3]}"),
      ("5f42010243030405ff", "(_ h'0102', h'030405')"), ("9f018202039f0405ffff", "[_ 1, [2, 3], [_ 4, 5]]"),
      ("bf61610161629f0203ffff", "{_ \"a\": 1, \"b\": [_ 2, 3]}"), ("0102", "1 2"),
    ]
  )
  func cbor(_ hex: String, _ text: String) {
    #expect(lines("cbor", bytes(hex), isText: false) == ["cbor " + text])
  }

  @Test(
    "MessagePack",
    arguments: [
      ("00", "0"), ("7f", "127"), ("ff", "-1"), ("e0", "-32"), ("c0", "nil"), ("c3", "true"),
      ("d1ff00", "-256"),
      ("d38000000000000000", "-9223372036854775808"), ("cfffffffffffffffff", "18446744073709551615"),
      ("ca3fc00000", "1.5"), ("cb3ff199999999999a", "1.1"), ("a3616263", "\"abc\""), ("d9026869", "\"hi\""),
      ("c4020102", "<01 02>"), ("93010203", "[1, 2, 3]"),
      ("82a16101a16293c0c2c3", "{\"a\": 1, \"b\": [nil, false, true]}"),
      ("d6ff00000001", "timestamp<00 00 00 01>"), ("c70105ff", "ext 5<ff>"), ("dc0001a0", "[\"\"]"),
    ]
  )
  func messagePack(_ hex: String, _ text: String) {
    #expect(lines("msgpack", bytes(hex), isText: false) == ["msgpack " + text])
  }

  @Test(
    "What a decoder cannot read it says, with the byte",
    arguments: [
      ("msgpack", "93 01 c1", "not MessagePack: the byte C1, which is never used at byte 2"),
      ("msgpack", "a5 61", "not MessagePack: 5 bytes, of which 1 are there at byte 1"),
      ("msgpack", "82 01", "not MessagePack: the bytes end too early at byte 2"),
      ("cbor", "1c", "not CBOR: the reserved additional information 28 at byte 0"),
      ("cbor", "5f 01", "not CBOR: a chunk of another type in a string at byte 1"),
      ("cbor", "f8 1f", "not CBOR: a simple value below 32 in two bytes at byte 0"),
      ("cbor", "9f 01", "not CBOR: the bytes end too early at byte 2"),
      ("cbor", "5f", "not CBOR: the bytes end too early at byte 1"),
      ("json", "7b 22 61 22 7d", "not JSON: expected a colon at byte 4"),
      ("mqtt", "00 00", "not MQTT: the packet type 0, which is reserved at byte 0"),
      ("mqtt", "30 ff ff ff ff 01", "not MQTT: a length of more than four bytes at byte 1"),
      ("stomp", "48 49 0a 0a 00", "not STOMP: no command of STOMP at byte 0"),
      ("stomp", "53 45 4e 44 0a 61 0a 0a 00", "not STOMP: a header without a colon at byte 5"),
      ("stomp", "53 45 4e 44 0a 0a 61", "not STOMP: the frame has no NUL at its end at byte 7"),
      ("socket.io", "39", "not Socket.IO: no digit of 0 to 6 at byte 0"),
      ("socket.io", "34 32 5b", "not Socket.IO: the text ends too early at byte 3"),
      (
        "graphql-transport-ws", "7b 7d", "not graphql-transport-ws: no object with a known \"type\" at byte 0"
      ),
    ]
  )
  func failures(_ name: String, _ hex: String, _ message: String) {
    #expect(lines(name, bytes(hex), isText: name != "mqtt") == [message])
  }

  @Test("JSON shows its top level")
  func json() {
    #expect(
      lines("json", Array(#"{"a":1,"b":"x\ny","c":{"d":[1]},"e":[],"f":null}"#.utf8)) == [
        #"json {a: 1, b: "x\ny", c: {…}, e: […], f: null}"#
      ]
    )
    #expect(lines("json", Array("[1,true,\"\u{202E}\"]".utf8)) == [#"json [1, true, "\u{202e}"]"#])
    // A number that the end of its container ends.
    #expect(lines("json", Array(#"{"a":1}"#.utf8)) == ["json {a: 1}"])
    #expect(lines("json", Array(#"{"b":{"c":2},"a":[3]}"#.utf8)) == ["json {b: {…}, a: […]}"])
    #expect(lines("json", Array("[[1],2]".utf8)) == ["json [[…], 2]"])
    #expect(lines("json", Array(" -1.5e3 ".utf8)) == ["json number -1.5e3"])
    #expect(lines("json", Array("[1,2,".utf8), size: 100) == ["json [1, 2, …]"])
  }

  @Test("graphql-transport-ws, STOMP and Socket.IO")
  func texts() {
    #expect(
      lines("graphql-transport-ws", Array(#"{"id":"1","type":"subscribe","payload":{}}"#.utf8)) == [
        #"graphql subscribe id "1" {id: "1", type: "subscribe", payload: {…}}"#
      ]
    )
    #expect(
      lines("stomp", Array("SEND\ndestination:/q\n\nhello\0\n".utf8)) == [
        "stomp SEND", "  destination:/q", #"  body of 5 bytes "hello""#,
      ]
    )
    #expect(lines("stomp", [0x0A]) == ["stomp heartbeat"])
    #expect(lines("socket.io", Array(#"0{"sid":"x"}"#.utf8)) == [#"engine.io open "{\"sid\":\"x\"}""#])
    #expect(
      lines("socket.io", Array(#"42/chat,7["event",{}]"#.utf8)) == [
        #"socket.io EVENT /chat id 7 ["event", {…}]"#
      ]
    )
    #expect(
      lines("socket.io", Array(#"451-["b",{"_placeholder":true,"num":0}]"#.utf8)) == [
        #"socket.io BINARY_EVENT, 1 attachments ["b", {…}]"#
      ]
    )
  }

  @Test("MQTT packets, several in a message and one that goes on in the next")
  func mqtt() {
    let connect = "10 10 00 04 4d515454 04 02 003c 0004 61626364"
    let publish = "32 07 00 01 74 00 05 68 69"
    #expect(
      lines("mqtt", bytes(connect + " " + publish), isText: false) == [
        "mqtt CONNECT \"MQTT\" level 4, 16 bytes", "mqtt PUBLISH qos 1 \"t\" id 5, 7 bytes",
      ]
    )
    #expect(
      lines("mqtt", bytes("30 7f 00 01 74"), isText: false) == [
        "mqtt PUBLISH qos 0 \"t\", 127 bytes, of which 3 are in this message"
      ]
    )
  }

  @Test(
    "A decoder's text and depth are bounded, whatever the message",
    arguments: ["msgpack", "cbor", "json"]
  )
  func bounded(_ name: String) {
    let deep: [UInt8] =
      name == "json"
      ? Array(repeating: 0x5B, count: 5000) : Array(repeating: name == "cbor" ? 0x81 : 0x91, count: 5000)
    let wide = [UInt8](repeating: 1, count: 60_000)
    for content in [deep, wide] {
      for line in lines(name, content, isText: false) { #expect(line.utf8.count < 3000) }
    }
    #expect(lines(name, deep, isText: false).first?.contains("nested deeper") == true)
  }

  @Test("The subprotocol chooses the decoder (RFC 6455 §1.9), and the bytes are shown beside it")
  func chosen() throws {
    var recording = try Recording(subprotocol: "mqtt")
    try recording.send(BytesMessage(data: Bytes([0xC0, 0])), from: .client)
    var lines: [String] = []
    let run = InspectRun { lines.append($0) }
    run.receive(CaptureBuilder(recording).pcap().span.bytes)
    _ = run.finish()
    let index = lines.firstIndex { $0.contains("message  binary") } ?? 0
    #expect(lines[index].hasSuffix("binary 2 bytes  c0 00"))
    #expect(lines[index + 1].hasSuffix(" mqtt PINGREQ, 0 bytes"))
  }
}
