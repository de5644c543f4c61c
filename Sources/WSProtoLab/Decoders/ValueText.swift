// SPDX-License-Identifier: Apache-2.0

/// Bytes of a binary format, read one field after the other, and the text that is made of them. Both are bounded.
struct ValueText {
  let format: String
  private let bytes: [UInt8]
  private let isCut: Bool
  private(set) var offset = 0
  private(set) var text = ""

  /// Values may nest this deep, and this much text is made.
  private static let maxDepth = 64
  private static let maxText = 2048

  private var depth = 0

  init(_ bytes: [UInt8], isCut: Bool, format: String) {
    self.bytes = bytes
    self.isCut = isCut
    self.format = format
  }

  /// Why reading ends.
  enum Stop: Error {
    case failed(PayloadError)
    /// The beginning that was kept is used up, or enough text is made.
    case enough
  }

  var isAtEnd: Bool { offset == bytes.count }

  func fail(_ message: String, at place: Int? = nil) -> Stop {
    .failed(PayloadError(format: format, offset: place ?? offset, message: message))
  }

  /// The next byte, without taking it.
  func peek() -> UInt8? { offset < bytes.count ? bytes[offset] : nil }

  mutating func byte() throws(Stop) -> UInt8 {
    guard offset < bytes.count else { throw end() }
    offset += 1
    return bytes[offset - 1]
  }

  /// A big-endian number of 1, 2, 4 or 8 bytes.
  mutating func number(_ size: Int) throws(Stop) -> UInt64 {
    var number: UInt64 = 0
    for _ in 0..<size { number = number << 8 | UInt64(try byte()) }
    return number
  }

  /// The next `count` bytes, or what there is of them where the message was cut.
  mutating func take(_ count: UInt64) throws(Stop) -> ArraySlice<UInt8> {
    let left = bytes.count - offset
    if count > UInt64(left), !isCut { throw fail("\(count) bytes, of which \(left) are there") }
    let taken = bytes[offset..<offset + Int(min(count, UInt64(left)))]
    offset += taken.count
    return taken
  }

  private func end() -> Stop { isCut ? .enough : fail("the bytes end too early") }

  mutating func add(_ more: String) throws(Stop) {
    text += more
    if text.utf8.count > Self.maxText { throw .enough }
  }

  /// Goes one level deeper for the time of `body`.
  mutating func nested(_ body: (inout ValueText) throws(Stop) -> Void) throws(Stop) {
    guard depth < Self.maxDepth else { throw fail("nested deeper than \(Self.maxDepth)") }
    depth += 1
    try body(&self)
    depth -= 1
  }

  /// `count` values with commas between, each by `each`; where `count` is `nil`, up to the byte `end`, which is taken.
  mutating func sequence(
    _ count: UInt64?,
    upTo end: UInt8 = 0xFF,
    _ each: (inout ValueText) throws(Stop) -> Void
  ) throws(Stop) {
    try nested { (text) throws(Stop) in
      var index: UInt64 = 0
      while index != count {
        if count == nil, text.peek() == end {
          _ = try text.byte()
          return
        }
        if index > 0 { try text.add(", ") }
        try each(&text)
        index += 1
      }
    }
  }

  /// The text of whole values, one after the other to the end, by `value`.
  static func read(
    _ bytes: [UInt8],
    isCut: Bool,
    format: String,
    _ value: (inout ValueText) throws(Stop) -> Void
  ) throws(PayloadError) -> String {
    var reader = ValueText(bytes, isCut: isCut, format: format)
    do throws(Stop) {
      repeat {
        if reader.offset > 0 { try reader.add(" ") }
        try value(&reader)
      } while !reader.isAtEnd
      return reader.text + (isCut ? "…" : "")
    } catch {
      switch error {
      case .failed(let failure): throw failure
      case .enough: return reader.text + "…"
      }
    }
  }

  /// A floating-point number of 2, 4 or 8 bytes.
  mutating func float(_ size: Int) throws(Stop) -> String {
    let bits = try number(size)
    switch size {
    case 2: return Self.half(UInt16(truncatingIfNeeded: bits)).description
    case 4: return Float(bitPattern: UInt32(truncatingIfNeeded: bits)).description
    default: return Double(bitPattern: bits).description
    }
  }

  private static func half(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 != 0 ? -1 : 1
    let exponent = Int(bits >> 10 & 0x1F)
    let fraction = Float(bits & 0x3FF) / 1024
    switch exponent {
    case 0: return sign * fraction * 0x1p-14
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * (1 + fraction) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }
  }
}
