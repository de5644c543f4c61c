// SPDX-License-Identifier: Apache-2.0

/// CBOR (RFC 8949), in its diagnostic notation (§8).
struct CBORDecoder: PayloadDecoder {
  static var name: String { "cbor" }
  static var subprotocols: [String] { ["cbor"] }

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    ["cbor " + (try ValueText.read(content, isCut: isCut, format: "CBOR", Self.item))]
  }

  private static func item(_ text: inout ValueText) throws(ValueText.Stop) {
    let start = text.offset
    let first = try text.byte()
    let (major, detail) = (first >> 5, first & 0x1F)
    if detail == 31 { return try indefinite(major, start, &text) }
    guard detail < 28 else { throw text.fail("the reserved additional information \(detail)", at: start) }
    let argument = detail < 24 ? UInt64(detail) : try text.number(1 << Int(detail - 24), keeping: major == 7)
    switch major {
    case 0: try text.add("\(argument)")
    // -1 - argument, which may not fit 64 bits.
    case 1: try text.add(argument == .max ? "-18446744073709551616" : "-\(argument + 1)")
    case 2: try text.add("h'\(Escaping.hex(try text.take(argument), limit: 32, separator: ""))'")
    case 3: try text.add(Escaping.quoted(try text.take(argument), limit: 128))
    case 4: try elements(argument, &text)
    case 5: try pairs(argument, &text)
    case 6:
      try text.add("\(argument)(")
      try text.nested { (text) throws(ValueText.Stop) in try item(&text) }
      try text.add(")")
    default: try simple(detail, argument, start, &text)
    }
  }

  private static func simple(
    _ detail: UInt8,
    _ argument: UInt64,
    _ start: Int,
    _ text: inout ValueText
  ) throws(ValueText.Stop) {
    switch detail {
    case 20, 21: try text.add(detail == 21 ? "true" : "false")
    case 22: try text.add("null")
    case 23: try text.add("undefined")
    case 24:
      guard argument >= 32 else { throw text.fail("a simple value below 32 in two bytes", at: start) }
      try text.add("simple(\(argument))")
    case 25, 26, 27: try text.add(try text.float(1 << Int(detail - 24)))
    default: try text.add("simple(\(detail))")
    }
  }

  private static func elements(_ count: UInt64?, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add(count == nil ? "[_ " : "[")
    // An indefinite one ends with the "break" of FF.
    try text.sequence(count) { (text) throws(ValueText.Stop) in try item(&text) }
    try text.add("]")
  }

  private static func pairs(_ count: UInt64?, _ text: inout ValueText) throws(ValueText.Stop) {
    try text.add(count == nil ? "{_ " : "{")
    try text.sequence(count) { (text) throws(ValueText.Stop) in
      try item(&text)
      try text.add(": ")
      try item(&text)
    }
    try text.add("}")
  }

  private static func indefinite(
    _ major: UInt8,
    _ start: Int,
    _ text: inout ValueText
  ) throws(ValueText.Stop) {
    switch major {
    case 2, 3:
      try text.add("(_ ")
      try text.sequence(nil) { (text) throws(ValueText.Stop) in
        if let chunk = text.peek(), chunk >> 5 != major || chunk & 0x1F == 31 {
          throw text.fail("a chunk of another type in a string")
        }
        try item(&text)
      }
      try text.add(")")
    case 4: try elements(nil, &text)
    case 5: try pairs(nil, &text)
    default: throw text.fail("an indefinite length where there is none", at: start)
    }
  }
}

extension ValueText {
  /// An argument that follows; for floating-point numbers it stays, to be read as one.
  fileprivate mutating func number(_ size: Int, keeping: Bool) throws(Stop) -> UInt64 {
    // A simple value of one byte is an argument, too.
    keeping && size > 1 ? 0 : try number(size)
  }
}
