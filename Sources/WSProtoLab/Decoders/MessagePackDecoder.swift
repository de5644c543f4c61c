// SPDX-License-Identifier: Apache-2.0

/// MessagePack, by its specification of 2013 with timestamps.
struct MessagePackDecoder: PayloadDecoder {
  static var name: String { "msgpack" }
  static var subprotocols: [String] { ["msgpack", "messagepack"] }

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    ["msgpack " + (try ValueText.read(content, isCut: isCut, format: "MessagePack", Self.value))]
  }

  private static func value(_ text: inout ValueText) throws(ValueText.Stop) {
    let start = text.offset
    let type = try text.byte()
    switch type {
    case 0x00...0x7F: try text.add("\(type)")
    case 0x80...0x8F: try map(UInt64(type & 0x0F), &text)
    case 0x90...0x9F: try array(UInt64(type & 0x0F), &text)
    case 0xA0...0xBF: try string(UInt64(type & 0x1F), &text)
    case 0xC0: try text.add("nil")
    case 0xC1: throw text.fail("the byte C1, which is never used", at: start)
    case 0xC2, 0xC3: try text.add(type == 0xC3 ? "true" : "false")
    case 0xC4...0xC6: try binary(try text.number(1 << Int(type - 0xC4)), &text)
    case 0xC7...0xC9: try extended(try text.number(1 << Int(type - 0xC7)), &text)
    case 0xCA: try text.add(try text.float(4))
    case 0xCB: try text.add(try text.float(8))
    case 0xCC...0xCF: try text.add("\(try text.number(1 << Int(type - 0xCC)))")
    case 0xD0: try text.add("\(Int8(truncatingIfNeeded: try text.number(1)))")
    case 0xD1: try text.add("\(Int16(truncatingIfNeeded: try text.number(2)))")
    case 0xD2: try text.add("\(Int32(truncatingIfNeeded: try text.number(4)))")
    case 0xD3: try text.add("\(Int64(bitPattern: try text.number(8)))")
    case 0xD4...0xD8: try extended(1 << UInt64(type - 0xD4), &text)
    case 0xD9...0xDB: try string(try text.number(1 << Int(type - 0xD9)), &text)
    case 0xDC, 0xDD: try array(try text.number(type == 0xDC ? 2 : 4), &text)
    case 0xDE, 0xDF: try map(try text.number(type == 0xDE ? 2 : 4), &text)
    default: try text.add("\(Int8(bitPattern: type))")
    }
  }

  private static func string(_ count: UInt64, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add(Escaping.quoted(try text.take(count), limit: 128))
  }

  private static func binary(_ count: UInt64, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add("<\(Escaping.hex(try text.take(count), limit: 32))>")
  }

  private static func extended(_ count: UInt64, _ text: inout ValueText) throws(ValueText.Stop) {
    let type = Int8(bitPattern: try text.byte())
    try text.add(type == -1 ? "timestamp" : "ext \(type)")
    try binary(count, &text)
  }

  private static func array(_ count: UInt64, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add("[")
    try text.sequence(count) { (text) throws(ValueText.Stop) in try value(&text) }
    try text.add("]")
  }

  private static func map(_ count: UInt64, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add("{")
    try text.sequence(count) { (text) throws(ValueText.Stop) in
      try value(&text)
      try text.add(": ")
      try value(&text)
    }
    try text.add("}")
  }
}
