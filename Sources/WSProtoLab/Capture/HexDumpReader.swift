// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Reads bytes in hexadecimal: what `xxd`, `hexdump -C` and `od -A x -t x1` write, or digits alone, with white space between
/// bytes or without.
///
/// A line that begins with `>` is the client's, one with `<` the server's; others belong to the direction of the first.
/// Lines that begin with `#` are comments. Holds one line at most.
struct HexDumpReader {
  private var line: [UInt8] = []
  private var lineNumber = 1
  private var hasOffsets = false
  private static let maxLine = 64 << 10

  /// Whether a file begins like this one: its first line with content is one of hexadecimal digits.
  static func recognizes(_ start: ArraySlice<UInt8>) -> Bool {
    for line in start.split(whereSeparator: { $0 == 0x0A }) {
      var reader = HexDumpReader()
      guard let (_, bytes) = try? reader.parse(Array(line)) else { return false }
      if !bytes.isEmpty { return true }
    }
    return false
  }

  /// Reads what waits in `queue`, and calls `each` with the bytes of each line and who sent them; `nil` where the line
  /// doesn't say.
  mutating func read(
    _ queue: inout ByteQueue,
    _ each: (Direction?, ArraySlice<UInt8>) -> Void
  ) throws(CaptureError) {
    let bytes = queue.waiting
    let start = queue.offset
    defer { queue.skip(bytes.count) }
    for (index, byte) in bytes.enumerated() {
      if byte == 0x0A {
        try endLine(at: start + index, each)
      } else {
        guard line.count < Self.maxLine else {
          throw CaptureError(at: start + index, line: lineNumber, "a line of more than \(Self.maxLine) bytes")
        }
        line.append(byte)
      }
    }
  }

  /// The file has ended.
  mutating func finish(at offset: Int, _ each: (Direction?, ArraySlice<UInt8>) -> Void) throws(CaptureError) {
    try endLine(at: offset, each)
  }

  private mutating func endLine(
    at offset: Int,
    _ each: (Direction?, ArraySlice<UInt8>) -> Void
  ) throws(CaptureError) {
    defer {
      line.removeAll(keepingCapacity: true)
      lineNumber += 1
    }
    do throws(Malformed) {
      let (direction, bytes) = try parse(line)
      if !bytes.isEmpty { each(direction, bytes[...]) }
    } catch {
      throw CaptureError(at: offset, line: lineNumber, error.message)
    }
  }

  private struct Malformed: Error {
    var message: String
  }

  private mutating func parse(_ line: [UInt8]) throws(Malformed) -> (Direction?, [UInt8]) {
    var rest = line[...]
    while let last = rest.last, Self.isSpace(last) { rest = rest.dropLast() }
    rest = rest.drop(while: Self.isSpace)
    guard let first = rest.first, first != UInt8(ascii: "#"), first != UInt8(ascii: "*") else {
      return (nil, [])
    }
    var direction: Direction?
    if first == UInt8(ascii: ">") || first == UInt8(ascii: "<") {
      direction = first == UInt8(ascii: ">") ? .fromClient : .fromServer
      rest = rest.dropFirst().drop(while: Self.isSpace)
    }
    return (direction, try Self.digits(withoutColumns(rest)))
  }

  /// A line without its offset and its column of characters.
  private mutating func withoutColumns(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let token = line.prefix { !Self.isSpace($0) }
    if token.last == UInt8(ascii: ":"), token.dropLast().allSatisfy({ HexDigits.value($0) != nil }) {
      let rest = line.dropFirst(token.count).drop(while: Self.isSpace)
      let end = rest.indices.first {
        $0 + 1 < rest.endIndex && Self.isSpace(rest[$0]) && Self.isSpace(rest[$0 + 1])
      }
      return rest[..<(end ?? rest.endIndex)]
    }
    let rest = line.dropFirst(token.count).drop(while: Self.isSpace)
    let isOffset = 6...16 ~= token.count && token.allSatisfy { HexDigits.value($0) != nil }
    if isOffset, rest.prefix(while: { !Self.isSpace($0) }).count == 2 {
      hasOffsets = true
      return rest[..<(rest.firstIndex(of: UInt8(ascii: "|")) ?? rest.endIndex)]
    }
    // The last line of a dump is the offset of its end.
    return isOffset && rest.isEmpty && hasOffsets ? [] : line
  }

  private static func digits(_ line: ArraySlice<UInt8>) throws(Malformed) -> [UInt8] {
    var bytes: [UInt8] = []
    for var token in line.split(whereSeparator: { isSpace($0) || $0 == UInt8(ascii: ",") }) {
      if token.starts(with: Array("0x".utf8)) { token = token.dropFirst(2) }
      guard token.count % 2 == 0 else {
        throw Malformed(message: "\(shown(token)) has an odd number of hexadecimal digits")
      }
      var index = token.startIndex
      while index < token.endIndex {
        guard let high = HexDigits.value(token[index]), let low = HexDigits.value(token[index + 1]) else {
          throw Malformed(message: "\(shown(token)) is not hexadecimal")
        }
        bytes.append(high << 4 | low)
        index += 2
      }
    }
    return bytes
  }

  private static func shown(_ token: ArraySlice<UInt8>) -> String { Escaping.quoted(token, limit: 40) }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
}
