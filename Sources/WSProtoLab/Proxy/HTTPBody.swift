// SPDX-License-Identifier: Apache-2.0

/// Finds where the body of an HTTP/1.1 message ends (RFC 9112 §6.3).
struct HTTPBody {
  private enum State {
    case length(UInt64)
    case untilEnd
    /// The line of a chunk's size; its bytes so far (§7.1).
    case chunkSize([UInt8])
    case chunk(UInt64)
    /// The line end behind a chunk's data.
    case chunkEnd
    /// A line behind the last chunk; whether it has a character.
    case trailer(hasText: Bool)
    case finished
    case malformed
  }

  private var state: State
  /// A longer line of a chunk's size is none.
  private static let maxSizeLine = 1024

  private init(_ state: State) { self.state = state }

  /// The body of a request.
  init(ofRequest head: HandshakeRecord) { self.init(Self.declared(head) ?? .finished) }

  /// The body of a response.
  ///
  /// - Parameter isAnswerToHEAD: whether there is none, whatever its fields say.
  init(ofResponse head: HandshakeRecord, status: Int, isAnswerToHEAD: Bool) {
    if isAnswerToHEAD || 100..<200 ~= status || status == 204 || status == 304 {
      self.init(.finished)
    } else {
      self.init(Self.declared(head) ?? .untilEnd)
    }
  }

  private static func declared(_ head: HandshakeRecord) -> State? {
    if let coding = head.value("Transfer-Encoding") {
      let text = String(decoding: coding, as: UTF8.self).lowercased()
      return text.hasSuffix("chunked") ? .chunkSize([]) : .untilEnd
    }
    guard let value = head.value("Content-Length") else { return nil }
    guard let length = UInt64(String(decoding: value, as: UTF8.self)) else { return .malformed }
    return length == 0 ? .finished : .length(length)
  }

  var isFinished: Bool { if case .finished = state { true } else { false } }

  /// Whether its end cannot be found.
  var isMalformed: Bool { if case .malformed = state { true } else { false } }

  /// How many of the bytes, from their beginning, belong to it. All that follow a mistake do.
  mutating func take(_ bytes: ArraySlice<UInt8>) -> Int {
    var rest = bytes
    while !rest.isEmpty {
      switch state {
      case .finished: return bytes.count - rest.count
      case .untilEnd, .malformed: return bytes.count
      case .length(let left):
        let count = pass(left, &rest)
        state = left == count ? .finished : .length(left - count)
      case .chunk(let left):
        let count = pass(left, &rest)
        state = left == count ? .chunkEnd : .chunk(left - count)
      case .chunkSize, .chunkEnd, .trailer: takeLineByte(rest.removeFirst())
      }
    }
    return bytes.count
  }

  private func pass(_ left: UInt64, _ rest: inout ArraySlice<UInt8>) -> UInt64 {
    let count = min(left, UInt64(rest.count))
    rest = rest.dropFirst(Int(count))
    return count
  }

  private mutating func takeLineByte(_ byte: UInt8) {
    switch state {
    case .chunkSize(let line) where byte == 0x0A:
      let digits = line.prefix { $0 != 0x0D && $0 != 0x20 && $0 != 0x09 && $0 != UInt8(ascii: ";") }
      guard let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16) else {
        return state = .malformed
      }
      state = size == 0 ? .trailer(hasText: false) : .chunk(size)
    case .chunkSize(let line): state = line.count < Self.maxSizeLine ? .chunkSize(line + [byte]) : .malformed
    case .chunkEnd where byte == 0x0A: state = .chunkSize([])
    case .chunkEnd: if byte != 0x0D { state = .malformed }
    case .trailer(let hasText) where byte == 0x0A: state = hasText ? .trailer(hasText: false) : .finished
    case .trailer: if byte != 0x0D { state = .trailer(hasText: true) }
    case .length, .chunk, .untilEnd, .finished, .malformed: break
    }
  }
}
