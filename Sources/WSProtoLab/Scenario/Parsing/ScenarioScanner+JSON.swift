// SPDX-License-Identifier: Apache-2.0

// JSON, which may go on over several lines, and places in it.
extension ScenarioScanner {
  /// A JSON value in which `{{name}}` may stand for a value; or a block in triple quotes that holds one.
  mutating func json() throws(Failure) -> JSONTemplate {
    guard !isAtLineEnd() else { throw fail("expected a JSON value, not the end of the line") }
    if bytes[position...].starts(with: Array("\"\"\"".utf8)) {
      let start = position
      var inner = ScenarioScanner(file: file, bytes: try block())
      do throws(Failure) {
        let value = try inner.jsonValue(isInLine: false)
        while let byte = inner.next, Self.isSpace(byte) || byte == 0x0A { inner.position += 1 }
        guard inner.isAtEnd else { throw inner.fail("expected nothing behind the JSON value") }
        return value
      } catch {
        // Lines of the block are those behind its first.
        let line = Self.line(of: error.offset, in: inner.bytes)
        throw fail("no JSON in line \(line) of this text: \(error.message)", at: start)
      }
    }
    return try jsonValue(isInLine: true)
  }

  /// - Parameter isInLine: whether a number ends with its line.
  private mutating func jsonValue(isInLine: Bool) throws(Failure) -> JSONTemplate {
    let start = position
    var tokenizer = JSONTokenizer(maxStringBytes: .max)
    var builder = JSONValueBuilder()
    var isInString = false
    var isEscaped = false
    // Where in the file the tokenizer's bytes stand: variables are shorter or longer there.
    var here = position
    do throws(JSONSyntaxError) {
      while !tokenizer.isComplete, let byte = next {
        here = position
        if !isInString, let (name, end) = Template.variable(in: bytes, at: position) {
          let string = JSONLine.quoted(JSONTemplate.mark + name)
          try tokenizer.read(string.utf8) { builder.take($0) }
          position = end
          continue
        }
        position += 1
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = isInString
        } else if byte == UInt8(ascii: "\"") {
          isInString.toggle()
        }
        try tokenizer.read(CollectionOfOne(byte)) { builder.take($0) }
        // The byte behind a number ends it, and is not a part of it.
        if tokenizer.isComplete, Self.isSpace(byte) || byte == 0x0A { position -= 1 }
      }
      if !tokenizer.isComplete {
        here = start
        try tokenizer.finish { builder.take($0) }
      }
    } catch {
      throw fail("no JSON: \(error.message)", at: here)
    }
    guard let value = builder.value else { throw fail("expected a JSON value", at: start) }
    if isInLine, let byte = next, !Self.isSpace(byte), byte != 0x0A {
      throw fail("expected a space behind the JSON value, not \(found())")
    }
    return JSONTemplate(value)
  }

  /// A place such as `$.a[0]["b c"]`.
  mutating func path() throws(Failure) -> JSONPath {
    guard !isAtLineEnd(), next == UInt8(ascii: "$") else {
      throw fail("expected a place such as $.name[0], not \(found())")
    }
    position += 1
    var path = JSONPath()
    while let byte = next, !Self.isSpace(byte), byte != 0x0A {
      guard path.parts.count < 64 else { throw fail("a place has 64 parts at most") }
      switch byte {
      case UInt8(ascii: "."):
        position += 1
        let start = position
        while let byte = next, JSONPath.isNameByte(byte) { position += 1 }
        guard position > start else { throw fail("expected a name behind the dot, not \(found())") }
        path.parts.append(.member(String(decoding: bytes[start..<position], as: UTF8.self)))
      case UInt8(ascii: "["):
        position += 1
        path.parts.append(try pathBracket())
      default: throw fail("expected . or [ in this place, not \(found())")
      }
    }
    return path
  }

  private mutating func pathBracket() throws(Failure) -> JSONPath.Part {
    let start = position
    if let quote = next, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
      position += 1
      var name: [UInt8] = []
      while let byte = next, byte != quote, byte != 0x0A {
        position += 1
        if byte == UInt8(ascii: "\\"), let escaped = next, escaped == quote || escaped == UInt8(ascii: "\\") {
          name.append(escaped)
          position += 1
        } else {
          name.append(byte)
        }
      }
      guard next == quote else { throw fail("expected a quote at the end of this name", at: start) }
      position += 1
      try closeBracket()
      return .member(String(decoding: name, as: UTF8.self))
    }
    while let byte = next, 0x30...0x39 ~= byte || byte == UInt8(ascii: "-") { position += 1 }
    guard let index = Int32(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      throw fail("expected a number or a name in quotes, not \(found(at: start))", at: start)
    }
    try closeBracket()
    return .element(Int(index))
  }

  private mutating func closeBracket() throws(Failure) {
    guard next == UInt8(ascii: "]") else { throw fail("expected ], not \(found())") }
    position += 1
  }
}
