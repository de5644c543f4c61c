// SPDX-License-Identifier: Apache-2.0

@testable import WSProto

/// The body of an HTTP/1.1 message (RFC 9112 §6, §7).
///
/// What must hold for any bytes: the same body, error and rest in any pieces; for chunks, those of a slow reader that
/// looks at the whole at once; and what the writer has written is read as what was given to it.
enum FuzzBody {
  private struct Verdict: Equatable {
    var body: [UInt8] = []
    /// What follows the message; `nil` where it is not complete.
    var rest: Int?
    var error: HTTP1Error?
  }

  static func run(_ input: inout Input) {
    let choice = input.byte()
    let split = input.byte()
    let amount = Int(input.byte())
    var limits = HTTP1Limits()
    if choice & 4 != 0 { limits.maxHeadBytes = amount / 4 }
    if choice & 8 != 0 { limits.maxFieldCount = amount % 4 }
    let framing: HTTP1Framing =
      switch choice & 3 {
      case 0, 1: .chunked
      case 2: choice & 0x10 == 0 ? .contentLength(amount) : .none
      default: .untilClose
      }
    if choice & 0x20 != 0 { return writeAndRead(framing, split, &input) }
    let bytes = choice & 0x40 == 0 ? chunks(&input) : input.rest
    let whole = read(framing, limits, cut(bytes, by: 0))
    let inCuts = read(framing, limits, cut(bytes, by: split))
    let details: [(String, Any)] = [
      ("framing", framing), ("limits", limits), ("bytes", bytes), ("whole", whole),
    ]
    if whole != inCuts { disagree("body, by the cuts", details + [("cut", inCuts)]) }
    guard framing == .chunked else { return }
    var slow = SlowChunks(bytes, limits)
    let expected = slow.read()
    let isSame =
      whole.body == expected.body && whole.rest == expected.rest
      && (whole.error == nil || whole.error == .truncatedBody) == expected.isLegal
    if !isSame { disagree("chunks", details + [("expected", expected)]) }
  }

  private static func read(
    _ framing: HTTP1Framing,
    _ limits: HTTP1Limits,
    _ pieces: [ArraySlice<UInt8>]
  ) -> Verdict {
    var reader = HTTP1BodyReader(framing, limits: limits)
    var verdict = Verdict()
    var left = pieces.reduce(0) { $0 + $1.count }
    do throws(HTTP1Error) {
      pieces: for piece in pieces {
        var input = piece
        while true {
          let before = input.count
          let next = try reader.next(&input)
          left -= before - input.count
          switch next {
          case .data(let data):
            if data.isEmpty { fatalError("a piece without bytes") }
            verdict.body += data
          case .finished: break pieces
          case .needMoreData:
            if !input.isEmpty { fatalError("more is asked for than is there") }
            continue pieces
          }
        }
      }
      if reader.isFinished { verdict.rest = left }
      try reader.endOfStream()
    } catch {
      verdict.error = error
      var more: ArraySlice<UInt8> = [0x30, 0x0D, 0x0A]
      do throws(HTTP1Error) {
        _ = try reader.next(&more)
        fatalError("a body that goes on behind its error")
      } catch let again { if again != verdict.error { fatalError("another error") } }
    }
    return verdict
  }

  private static func writeAndRead(_ framing: HTTP1Framing, _ split: UInt8, _ input: inout Input) {
    var writer = HTTP1BodyWriter(framing)
    var body: [UInt8] = []
    var wire: [UInt8] = []
    var steps = 0
    while !input.isEmpty, !writer.isFinished, steps < 40 {
      steps += 1
      let part = input.bytes(input.below(40))
      let finished = input.byte() & 7 == 0
      let before = wire
      do throws(HTTP1WriteError) {
        try writer.append(part, finished: finished, to: &wire)
        body += part
      } catch { if wire != before { disagree("a refused part was written", [("framing", framing)]) } }
    }
    guard writer.isFinished else { return }
    let verdict = read(framing, HTTP1Limits(), cut(wire, by: split))
    let isRead = verdict.body == body && verdict.error == nil && verdict.rest ?? 0 == 0
    if !isRead {
      disagree(
        "written and read",
        [("framing", framing), ("body", body), ("wire", wire), ("verdict", verdict)]
      )
    }
  }

  /// Chunks that are legal for the most part.
  private static func chunks(_ input: inout Input) -> [UInt8] {
    var bytes: [UInt8] = []
    func line(_ text: String) { bytes += Array(text.utf8) }
    while !input.isEmpty, bytes.count < 1 << 16 {
      let choice = input.byte()
      switch choice & 7 {
      case 0, 1, 2, 3:
        let data = input.bytes(1 + Int(choice >> 3))
        let zeros = String(repeating: "0", count: choice & 7 == 1 ? input.below(34) : 0)
        let ends = [";a=b", ";a=\"\\\"\"", " ;x", "\t", ";", ";a=\"", " ", ";\u{7F}"]
        let end = choice & 7 == 2 ? input.pick(ends) : ""
        line("\(zeros)\(String(data.count, radix: 16, uppercase: choice & 7 == 3))\(end)\r\n")
        bytes += data
        line("\r\n")
      case 4:
        let sizes = [
          "7fffffffffffffff", "8000000000000000", "ffffffffffffffff", "10000000000000000", "fffffffffffffff",
          "-1",
          "0x1", "1 2", "g", "", "+1",
        ]
        line(input.pick(sizes) + "\r\n")
      case 5:
        line("0\r\n")
        let fields = [
          "A: b\r\n", "A:\r\n", "a b: c\r\n", ": x\r\n", " folded\r\n", "A: \u{1}\r\n", "A: b\n", "Ö: x\r\n",
        ]
        for _ in 0..<(choice >> 3) & 3 { line(input.pick(fields)) }
        line("\r\n")
      case 6: bytes += input.bytes(1 + Int(choice >> 5))
      default: line(input.pick(["\r", "\n", "\r\n", "0\r\n\r\n", "0\n\n", "\0"]))
      }
    }
    return bytes
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(9112)
    return (0..<128).map { number in
      [UInt8(truncatingIfNeeded: number &* 5), UInt8(truncatingIfNeeded: number &* 7), UInt8(number)]
        + random.bytes(20 + number)
    }
  }
}

/// Chunks read from the whole at once, by line and by count, written from RFC 9112 §7.1.
private struct SlowChunks {
  struct Verdict {
    var body: [UInt8] = []
    var rest: Int?
    /// Complete, or the beginning of something complete.
    var isLegal = true
  }

  private struct Illegal: Error {}

  private let bytes: [UInt8]
  private let limits: HTTP1Limits
  private var position = 0
  private var extensionBytes = 0
  private var trailerBytes = 0
  private var trailers = 0

  init(_ bytes: [UInt8], _ limits: HTTP1Limits) {
    self.bytes = bytes
    self.limits = limits
  }

  mutating func read() -> Verdict {
    var verdict = Verdict()
    do {
      while let size = try size() {
        if size == 0 {
          if try trailerSection() { verdict.rest = bytes.count - position }
          return verdict
        }
        let data = bytes[position...].prefix(Int(clamping: size))
        verdict.body += data
        position += data.count
        guard data.count == Int(clamping: size) else { return verdict }
        if try !literal("\r\n") { return verdict }
      }
    } catch { verdict.isLegal = false }
    return verdict
  }

  /// Whether all of the text is there; throws where something else is.
  private mutating func literal(_ text: String) throws -> Bool {
    for byte in text.utf8 {
      guard position < bytes.count else { return false }
      guard bytes[position] == byte else { throw Illegal() }
      position += 1
    }
    return true
  }

  /// A chunk's size, with its extensions, to the end of the line; `nil` where the bytes end first.
  private mutating func size() throws -> UInt64? {
    var digits: [UInt8] = []
    while position < bytes.count, Character(Unicode.Scalar(bytes[position])).isHexDigit,
      bytes[position] < 0x80
    {
      digits.append(bytes[position])
      position += 1
      let significant = digits.drop { $0 == 0x30 }
      if digits.count > 32 || significant.count > 15 {
        // 2^59 to 2^63 - 1 has 16 digits and fits; the largest that is taken begins with a 7.
        let fits = significant.count <= 16 && (significant.first ?? 0x30) <= 0x37
        if digits.count > 32 || !fits { throw Illegal() }
      }
    }
    guard position < bytes.count else { return nil }
    guard let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else { throw Illegal() }
    var isInside = false
    var isQuoted = false
    var hasSpace = false
    while position < bytes.count {
      let byte = bytes[position]
      if byte == 0x0D, !isQuoted {
        // Space is there for an extension only.
        if hasSpace, !isInside { throw Illegal() }
        return try literal("\r\n") ? size : nil
      }
      position += 1
      guard byte == 0x09 || byte >= 0x20 && byte != 0x7F else { throw Illegal() }
      if !isInside {
        if byte == 0x20 || byte == 0x09 {
          hasSpace = true
        } else if byte == 0x3B {
          isInside = true
        } else {
          throw Illegal()
        }
      } else if isQuoted, byte == 0x5C {
        try charge()
        guard position < bytes.count else { return nil }
        let escaped = bytes[position]
        guard escaped == 0x09 || escaped >= 0x20 && escaped != 0x7F else { throw Illegal() }
        position += 1
      } else if byte == 0x22 {
        isQuoted.toggle()
      }
      try charge()
    }
    return nil
  }

  private mutating func charge() throws {
    extensionBytes += 1
    if extensionBytes > limits.maxHeadBytes { throw Illegal() }
  }

  private mutating func trailerSection() throws -> Bool {
    while position < bytes.count {
      var line: [UInt8] = []
      while position < bytes.count, line.suffix(2) != [0x0D, 0x0A] {
        line.append(bytes[position])
        position += 1
        trailerBytes += 1
        if trailerBytes > limits.maxHeadBytes { throw Illegal() }
        if line.count == 1, line[0] != 0x0D {
          guard HTTP1Bytes.isToken(line[0]) else { throw Illegal() }
          trailers += 1
          if trailers > limits.maxFieldCount { throw Illegal() }
        }
        try check(line)
      }
      guard line.suffix(2) == [0x0D, 0x0A] else { return false }
      if line.count == 2 { return true }
    }
    return false
  }

  /// Whether it is the beginning of a field line: a token, a colon, a value, CR LF.
  private func check(_ line: [UInt8]) throws {
    guard let last = line.last else { return }
    if line.count == 1 { return }
    if line[line.count - 2] == 0x0D {
      guard last == 0x0A else { throw Illegal() }
    } else if line.dropLast().contains(0x3A) {
      guard last == 0x0D || last == 0x09 || last >= 0x20 && last != 0x7F else { throw Illegal() }
    } else {
      guard last == 0x3A || HTTP1Bytes.isToken(last) else { throw Illegal() }
    }
  }
}
