// SPDX-License-Identifier: Apache-2.0

import WSProto

// Names, numbers, times.
extension ScenarioScanner {
  /// A name of a variable, a connection or a listener.
  mutating func name(_ expected: String) throws(Failure) -> String {
    _ = isAtLineEnd()
    let start = position
    let name = try word(expected)
    guard name.utf8.allSatisfy(Template.isNameByte), name.utf8.count <= 128 else {
      throw fail("expected \(expected), of letters, digits, _, - and ., not \(found(at: start))", at: start)
    }
    return name
  }

  /// A number in `range`.
  mutating func number(_ expected: String, in range: ClosedRange<Int>) throws(Failure) -> Int {
    _ = isAtLineEnd()
    let start = position
    let text = word()
    guard let number = Int(text), range.contains(number) else {
      throw fail(
        "expected \(expected), \(range.lowerBound)...\(range.upperBound), not \(found(at: start))",
        at: start
      )
    }
    return number
  }

  /// A time with its unit: `250ms`, `1.5s`, `2m`. A day at most.
  mutating func duration() throws(Failure) -> Duration {
    _ = isAtLineEnd()
    let start = position
    let text = word()
    let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1000), ("m", 60_000)]
    for unit in units where text.hasSuffix(unit.suffix) {
      let digits = text.dropLast(unit.suffix.count)
      guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 || $0 == UInt8(ascii: ".") }),
        let value = Double(digits),
        value * unit.milliseconds <= 86_400_000
      else { break }
      return .milliseconds(value * unit.milliseconds)
    }
    throw fail("expected a time such as 500ms, 2s or 1m, not \(found(at: start))", at: start)
  }
}

// Bytes.
extension ScenarioScanner {
  /// A text in quotes, a block in triple quotes, or, if `allowsHex`, hexadecimal digits behind `0x`. A text may be followed
  /// by `repeat N`.
  mutating func payload(allowsHex: Bool) throws(Failure) -> Payload {
    let expected = allowsHex ? "a text in quotes or bytes such as 0x01ff" : "a text in quotes"
    guard !isAtLineEnd() else { throw fail("expected \(expected), not the end of the line") }
    var payload: Payload
    if bytes[position...].starts(with: Array("\"\"\"".utf8)) {
      payload = Payload(template: Template(scanning: try block()))
    } else if next == UInt8(ascii: "\"") {
      payload = Payload(template: try literal())
    } else if allowsHex, bytes[position...].starts(with: Array("0x".utf8)) {
      payload = Payload(template: Template(bytes: try hex()))
    } else if let (name, end) = Template.variable(in: bytes, at: position) {
      var template = Template()
      template.pieces = [.variable(name)]
      payload = Payload(template: template)
      position = end
    } else {
      throw fail("expected \(expected), not \(found())")
    }
    try expectSpace()
    if take("repeat") {
      let start = position
      payload.count = try number("how often", in: 1...Payload.maxBytes)
      if let fixed = payload.template.fixed, fixed.count > Payload.maxBytes / payload.count {
        throw fail("more than \(Payload.maxBytes) bytes", at: start)
      }
    }
    return payload
  }

  /// A text that must be UTF-8.
  mutating func text() throws(Failure) -> Payload {
    _ = isAtLineEnd()
    let start = position
    let payload = try payload(allowsHex: false)
    for case .bytes(let bytes) in payload.template.pieces
    where String(validating: bytes, as: UTF8.self) == nil {
      throw fail("a text is UTF-8: send frame opcode=text sends other bytes", at: start)
    }
    return payload
  }

  private func expectSpace() throws(Failure) {
    guard let byte = next, !Self.isSpace(byte), byte != 0x0A else { return }
    throw fail("expected a space, not \(found())")
  }

  private mutating func hex() throws(Failure) -> [UInt8] {
    let start = position
    var digits = Array(word().utf8.dropFirst(2))
    guard digits.count % 2 == 0 else {
      throw fail("an odd number of hexadecimal digits: \(found(at: start))", at: start)
    }
    var result: [UInt8] = []
    result.reserveCapacity(digits.count / 2)
    digits.reverse()
    while let high = digits.popLast(), let low = digits.popLast() {
      guard let high = HexDigits.value(high), let low = HexDigits.value(low) else {
        throw fail("expected hexadecimal digits, not \(found(at: start))", at: start)
      }
      result.append(high << 4 | low)
    }
    return result
  }

  /// A text in quotes, with the escapes that the output of the tool has: `\"`, `\\`, `\n`, `\r`, `\t`, `\xNN`, `\u{…}`;
  /// `\{` is a brace that begins no variable.
  private mutating func literal() throws(Failure) -> Template {
    let start = position
    position += 1
    var template = Template()
    var plain: [UInt8] = []
    while let byte = next, byte != 0x0A {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        template.append(plain)
        return template
      case UInt8(ascii: "\\"): try escape(&plain)
      case UInt8(ascii: "{"):
        if let (name, end) = Template.variable(in: bytes, at: position) {
          template.append(plain)
          plain = []
          template.pieces.append(.variable(name))
          position = end
        } else {
          plain.append(byte)
          position += 1
        }
      default:
        plain.append(byte)
        position += 1
      }
    }
    throw fail("expected a quote at the end of this text; one of several lines stands in \"\"\"", at: start)
  }

  private mutating func escape(_ plain: inout [UInt8]) throws(Failure) {
    let start = position
    position += 2
    switch start + 1 < bytes.count ? bytes[start + 1] : 0x0A {
    case UInt8(ascii: "\""): plain.append(UInt8(ascii: "\""))
    case UInt8(ascii: "\\"): plain.append(UInt8(ascii: "\\"))
    case UInt8(ascii: "{"): plain.append(UInt8(ascii: "{"))
    case UInt8(ascii: "n"): plain.append(0x0A)
    case UInt8(ascii: "r"): plain.append(0x0D)
    case UInt8(ascii: "t"): plain.append(0x09)
    case UInt8(ascii: "x"):
      guard position + 1 < bytes.count, let high = HexDigits.value(bytes[position]),
        let low = HexDigits.value(bytes[position + 1])
      else { throw fail("expected two hexadecimal digits behind \\x", at: start) }
      plain.append(high << 4 | low)
      position += 2
    case UInt8(ascii: "u"):
      let digits = bytes[min(position, bytes.count)...].dropFirst().prefix { HexDigits.value($0) != nil }
      guard next == UInt8(ascii: "{"), digits.count <= 6, digits.endIndex < bytes.count,
        bytes[digits.endIndex] == UInt8(ascii: "}"),
        let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
        let scalar = Unicode.Scalar(value)
      else { throw fail("expected a character such as \\u{e9}", at: start) }
      plain += Array(String(scalar).utf8)
      position = digits.endIndex + 1
    default:
      position = start
      throw fail("expected \\\", \\\\, \\n, \\r, \\t, \\{, \\xNN or \\u{…}", at: start)
    }
  }

  /// The lines between two lines with triple quotes. The indentation of the last is taken from all of them; the last line
  /// end is not part of the text.
  mutating func block() throws(Failure) -> [UInt8] {
    let start = position
    position += 3
    try endLine("the end of the line behind \"\"\"")
    var lines: [ArraySlice<UInt8>] = []
    while !isAtEnd {
      let lineStart = position
      skipSpace()
      if bytes[position...].starts(with: Array("\"\"\"".utf8)) {
        let indentation = bytes[lineStart..<position]
        position += 3
        return Array(try Self.outdented(lines, by: indentation, self).joined(separator: [0x0A]))
      }
      position = lineStart
      skipLine()
      var line = bytes[lineStart..<position]
      if line.last == 0x0A { line = line.dropLast() }
      if line.last == 0x0D { line = line.dropLast() }
      lines.append(line)
    }
    throw fail("expected a line with \"\"\" at the end of this text", at: start)
  }

  private static func outdented(
    _ lines: [ArraySlice<UInt8>],
    by indentation: ArraySlice<UInt8>,
    _ scanner: ScenarioScanner
  ) throws(Failure) -> [ArraySlice<UInt8>] {
    var result: [ArraySlice<UInt8>] = []
    for line in lines {
      if line.starts(with: indentation) {
        result.append(line.dropFirst(indentation.count))
      } else if line.allSatisfy(isSpace) {
        result.append([])
      } else {
        throw scanner.fail("expected the indentation of the \"\"\" that ends this text", at: line.startIndex)
      }
    }
    return result
  }

  /// A pattern between slashes; `\/` is a slash, and an `i` behind the last ignores case.
  mutating func pattern() throws(Failure) -> TextPattern {
    guard !isAtLineEnd(), next == UInt8(ascii: "/") else {
      throw fail("expected a pattern such as /id-[0-9]+/, not \(found())")
    }
    let start = position
    position += 1
    var pattern: [UInt8] = []
    while let byte = next, byte != 0x0A {
      position += 1
      if byte == UInt8(ascii: "/") {
        let ignoresCase = next == UInt8(ascii: "i")
        if ignoresCase { position += 1 }
        try expectSpace()
        do throws(ScenarioFailure) {
          return try TextPattern(String(decoding: pattern, as: UTF8.self), ignoresCase: ignoresCase)
        } catch {
          throw fail(error.description, at: start)
        }
      }
      if byte == UInt8(ascii: "\\"), let escaped = next, escaped != 0x0A {
        if escaped != UInt8(ascii: "/") { pattern.append(byte) }
        pattern.append(escaped)
        position += 1
      } else {
        pattern.append(byte)
      }
    }
    throw fail("expected a slash at the end of this pattern", at: start)
  }
}
