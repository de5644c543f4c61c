// SPDX-License-Identifier: Apache-2.0

/// Finds where the body of an HTTP/1.1 message ends (RFC 9112 §6.3).
struct HTTPBody {
  private enum State {
    case length(UInt64)
    case untilEnd
    /// In the line with a chunk's size, of which these bytes have been read (§7.1).
    case chunkSize([UInt8])
    case chunk(UInt64)
    /// In the line end after a chunk's data.
    case chunkEnd
    /// In a line after the last chunk, and whether it has any characters.
    case trailer(hasText: Bool)
    case finished
    case malformed
  }

  private var state: State
  /// The longest line accepted as a chunk's size.
  private static let maxSizeLine = 1024

  private init(_ state: State) { self.state = state }

  /// The body of a request.
  init(ofRequest head: HandshakeRecord) { self.init(Self.declared(head) ?? .finished) }

  /// The body of a response.
  ///
  /// - Parameter isAnswerToHEAD: whether the request's method was HEAD, so that there is no body.
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

  /// Returns how many bytes at the beginning belong to the body. After an error, all bytes do.
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
