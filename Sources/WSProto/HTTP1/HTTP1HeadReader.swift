// SPDX-License-Identifier: Apache-2.0

/// Reads the heads of HTTP/1.1 messages from a stream, in pieces of any size (RFC 9112 §2.2).
///
/// Each line is parsed once, when its end has arrived, and the search for the end never goes back, so the
/// time is linear however the bytes are split. After an error, every call fails and further bytes are
/// dropped. The result doesn't depend on how the bytes are split.
struct HTTP1HeadReader: Sendable {
  /// Which start line is expected.
  enum Kind: Sendable, Hashable {
    case request
    case response
  }

  let kind: Kind
  let limits: HTTP1Limits
  private var buffer: [UInt8] = []
  private var head = HTTP1Head()
  /// There is no line feed between `lineStart` and this offset. It never moves back, so the time is linear.
  private(set) var searched = 0
  private var lineStart = 0
  private var hasStartLine = false
  private var emptyLineSkipped = false
  private var failure: HTTP1Error?

  init(_ kind: Kind, limits: HTTP1Limits = HTTP1Limits()) {
    self.kind = kind
    self.limits = limits.clamped
  }

  /// Whether a head has begun and not ended: if the stream ends now, that is an error (RFC 9112 §8).
  var isInsideHead: Bool { failure == nil && (hasStartLine || !buffer.isEmpty) }

  /// The number of bytes received but not handed out.
  var bufferedCount: Int { buffer.count }

  /// Takes bytes from the stream.
  mutating func receive(_ bytes: UnsafeRawBufferPointer) {
    guard failure == nil else { return }
    buffer.append(contentsOf: bytes)
  }

  /// Takes bytes from the stream.
  mutating func receive(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { receive($0) }
  }

  /// Takes bytes from the stream.
  mutating func receive(_ bytes: [UInt8]) {
    guard failure == nil else { return }
    if buffer.isEmpty { buffer = bytes } else { buffer.append(contentsOf: bytes) }
  }

  /// The bytes received after the last head that `next()` returned. They are removed, and the reader starts
  /// over.
  mutating func takeTrailingBytes() -> [UInt8] {
    let bytes = buffer
    buffer = []
    head = HTTP1Head()
    hasStartLine = false
    searched = 0
    lineStart = 0
    return bytes
  }

  /// The next head, or `nil` if more bytes are needed.
  ///
  /// - Throws: the violation, and again on every later call.
  mutating func next() throws(HTTP1Error) -> HTTP1Head? {
    if let failure { throw failure }
    do {
      return try advance()
    } catch {
      failure = error
      buffer = []
      head = HTTP1Head()
      throw error
    }
  }

  private mutating func advance() throws(HTTP1Error) -> HTTP1Head? {
    // Ignore everything beyond the limit, however much arrived at once.
    let window = min(buffer.count, limits.maxHeadBytes)
    while searched < window {
      if hasStartLine, searched == lineStart, window &- searched >= 16, try takeFieldLine(window) { continue }
      let found = HTTP1Bytes.firstLineFeed(in: buffer.span.bytes, searched..<window)
      let lineEnd = found.map { $0 + 1 } ?? window
      searched = lineEnd
      guard let found else { break }
      // `found` is at least `lineStart`, because the search began there or later.
      guard found > lineStart, buffer[found - 1] == HTTP1Bytes.carriageReturn else {
        throw .bareLineFeed
      }
      let line = lineStart..<(found - 1)
      lineStart = lineEnd
      if try parse(line) { return try finish() }
    }
    guard buffer.count <= limits.maxHeadBytes else { throw .headTooLarge }
    return nil
  }

  /// Takes the line at `lineStart`, of which nothing has been examined yet, if it is a complete and legal
  /// field line: one pass instead of two.
  private mutating func takeFieldLine(_ window: Int) throws(HTTP1Error) -> Bool {
    let (field, end) = HTTP1HeadParser.wholeFieldLine(buffer.span, lineStart..<window)
    searched = end
    guard let field else { return false }
    guard head.fields.count < limits.maxFieldCount else { throw .tooManyFields }
    head.append(field)
    lineStart = end
    return true
  }

  /// Parses one line. Returns `true` for the empty line that ends the head.
  private mutating func parse(_ line: Range<Int>) throws(HTTP1Error) -> Bool {
    guard hasStartLine else {
      // Old clients sent an empty line after a body, so one is allowed before a request (RFC 9112 §2.2).
      if line.isEmpty, kind == .request, !emptyLineSkipped {
        emptyLineSkipped = true
        return false
      }
      try Self.parseStartLine(kind, buffer, line, into: &head)
      hasStartLine = true
      return false
    }
    guard !line.isEmpty else { return true }
    if kind == .response, !head.fields.isEmpty, try unfold(line) { return false }
    guard head.fields.count < limits.maxFieldCount else { throw .tooManyFields }
    head.append(try HTTP1HeadParser.fieldLine(buffer.span, line, isFirst: head.fields.isEmpty))
    return false
  }

  /// Appends a line that begins with whitespace to the value of the previous field, with spaces in place of
  /// the line end, as RFC 9112 §5.2 requires of user agents. Returns `false` for other lines.
  private mutating func unfold(_ line: Range<Int>) throws(HTTP1Error) -> Bool {
    guard let content = try HTTP1HeadParser.continuation(buffer.span, line) else { return false }
    // The previous line ended with CR LF.
    buffer[line.lowerBound - 2] = HTTP1Bytes.space
    buffer[line.lowerBound - 1] = HTTP1Bytes.space
    if let field = head.fields.last, !content.isEmpty {
      let start = field.value.isEmpty ? content.lowerBound : field.value.lowerBound
      head.replaceLastValue(with: start..<content.upperBound)
    }
    return true
  }

  private static func parseStartLine(
    _ kind: Kind,
    _ bytes: [UInt8],
    _ line: Range<Int>,
    into head: inout HTTP1Head
  ) throws(HTTP1Error) {
    switch kind {
    case .request: try HTTP1HeadParser.requestLine(bytes.span, line, into: &head)
    case .response: try HTTP1HeadParser.statusLine(bytes.span, line, into: &head)
    }
  }

  /// Returns the head, which ends at `lineStart`, and keeps what follows it.
  private mutating func finish() throws(HTTP1Error) -> HTTP1Head {
    var finished = HTTP1Head()
    swap(&finished, &head)
    var trailing: [UInt8] = []
    if lineStart < buffer.count {
      trailing = Array(buffer[lineStart...])
      buffer.removeSubrange(lineStart...)
    }
    swap(&buffer, &trailing)
    finished.finish(bytes: trailing)
    // Not for a response: its framing doesn't matter if it has no body, and its status counts whatever the
    // framing says.
    if kind == .request { _ = try HTTP1Framing(ofRequest: finished) }
    searched = 0
    lineStart = 0
    hasStartLine = false
    emptyLineSkipped = false
    return finished
  }
}
