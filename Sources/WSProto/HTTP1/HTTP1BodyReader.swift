// SPDX-License-Identifier: Apache-2.0

/// The result of one step of reading a body.
enum HTTP1BodyPiece: Sendable, Hashable {
  /// Bytes of the body, never empty.
  case data(ArraySlice<UInt8>)
  /// The body is complete; the rest of the input follows the message.
  case finished
  /// The input is used up.
  case needMoreData
}

/// Reads a body in pieces of any size, and returns slices of its input.
struct HTTP1BodyReader: Sendable {
  private enum State: Sendable, Hashable {
    case counted(Int)
    case untilClose
    /// Before the first digit of a chunk's size.
    case sizeStart
    case size(UInt64)
    /// Whitespace after the size: a chunk extension must follow.
    case sizeSpace(UInt64)
    case chunkExtension(UInt64, isQuoted: Bool, isEscaped: Bool)
    case sizeLineFeed(UInt64)
    case data(UInt64)
    case dataReturn
    case dataLineFeed
    case trailerStart
    case trailerName
    case trailerValue
    case trailerLineFeed
    case endLineFeed
    case finished
    case failed(HTTP1Error)
  }

  private let limits: HTTP1Limits
  private var state: State
  /// Bytes of chunk extensions so far, over all chunks; later, bytes of trailers.
  private var extensionBytes = 0
  private var trailerBytes = 0
  private var trailerCount = 0
  private var sizeDigits = 0

  init(_ framing: HTTP1Framing, limits: HTTP1Limits = HTTP1Limits()) {
    self.limits = limits.clamped
    switch framing {
    case .none: state = .finished
    case .contentLength(let length): state = length > 0 ? .counted(length) : .finished
    case .chunked: state = .sizeStart
    case .untilClose: state = .untilClose
    }
  }

  /// Whether the body is complete.
  var isFinished: Bool { state == .finished }

  /// The next piece of the body; the bytes read are removed from the front of `input`.
  ///
  /// Call it until it returns `.finished` or `.needMoreData`.
  ///
  /// - Throws: the violation, and again on every later call.
  mutating func next(_ input: inout ArraySlice<UInt8>) throws(HTTP1Error) -> HTTP1BodyPiece {
    while true {
      switch state {
      case .finished: return .finished
      case .failed(let error): throw error
      case .untilClose:
        guard let data = take(Int.max, from: &input) else { return .needMoreData }
        return .data(data)
      case .counted(let left):
        guard let data = take(left, from: &input) else { return .needMoreData }
        state = left == data.count ? .finished : .counted(left - data.count)
        return .data(data)
      case .data(let left):
        guard let data = take(Int(clamping: left), from: &input) else { return .needMoreData }
        let rest = left - UInt64(data.count)
        state = rest == 0 ? .dataReturn : .data(rest)
        return .data(data)
      default:
        guard let byte = input.popFirst() else { return .needMoreData }
        do {
          state = try step(byte)
        } catch {
          state = .failed(error)
          throw error
        }
      }
    }
  }

  /// Called when the stream has ended. That is an error unless the body is complete or lasts until the end of
  /// the stream (RFC 9112 §8).
  mutating func endOfStream() throws(HTTP1Error) {
    switch state {
    case .finished: return
    case .untilClose: state = .finished
    case .failed(let error): throw error
    default:
      state = .failed(.truncatedBody)
      throw .truncatedBody
    }
  }

  /// Up to `count` bytes from the front of `input`, or `nil` if it is empty.
  private func take(_ count: Int, from input: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard !input.isEmpty else { return nil }
    let data = input.prefix(count)
    input = input.dropFirst(data.count)
    return data
  }

  /// Takes one byte of the chunked framing (RFC 9112 §7.1). Only CR LF ends a line.
  private mutating func step(_ byte: UInt8) throws(HTTP1Error) -> State {
    switch state {
    case .sizeStart:
      guard let digit = Self.hexadecimal(byte) else { throw .invalidChunkSize }
      sizeDigits = 1
      return .size(digit)
    case .size(let size):
      if let digit = Self.hexadecimal(byte) {
        sizeDigits += 1
        // Leading zeros are legal, but not endlessly. `size` below 2^59 keeps the next value below 2^63.
        guard sizeDigits <= 32, size < 1 << 59 else { throw .chunkSizeOverflow }
        return .size(size << 4 | digit)
      }
      return try afterSize(byte, size)
    case .sizeSpace(let size):
      guard byte != HTTP1Bytes.carriageReturn else { throw .invalidChunkSize }
      return try afterSize(byte, size)
    case .chunkExtension(let size, let isQuoted, let isEscaped):
      if byte == HTTP1Bytes.carriageReturn, !isQuoted { return .sizeLineFeed(size) }
      guard HTTP1Bytes.isFieldContent(byte) else { throw .invalidChunkExtension }
      try chargeExtension()
      if isEscaped { return .chunkExtension(size, isQuoted: true, isEscaped: false) }
      if isQuoted, byte == 0x5c { return .chunkExtension(size, isQuoted: true, isEscaped: true) }
      return .chunkExtension(size, isQuoted: isQuoted != (byte == 0x22), isEscaped: false)
    case .sizeLineFeed(let size):
      guard byte == HTTP1Bytes.lineFeed else { throw .bareCarriageReturn }
      return size == 0 ? .trailerStart : .data(size)
    case .dataReturn:
      guard byte == HTTP1Bytes.carriageReturn else { throw .missingChunkEnd }
      return .dataLineFeed
    case .dataLineFeed:
      guard byte == HTTP1Bytes.lineFeed else { throw .missingChunkEnd }
      return .sizeStart
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .endLineFeed:
      return try stepTrailer(byte)
    case .counted, .untilClose, .data, .finished, .failed:
      // `next` handles these itself.
      return state
    }
  }

  private mutating func afterSize(_ byte: UInt8, _ size: UInt64) throws(HTTP1Error) -> State {
    switch byte {
    case HTTP1Bytes.carriageReturn: return .sizeLineFeed(size)
    case HTTP1Bytes.space, HTTP1Bytes.tab:
      try chargeExtension()
      return .sizeSpace(size)
    case 0x3b:
      try chargeExtension()
      return .chunkExtension(size, isQuoted: false, isEscaped: false)
    default: throw .invalidChunkSize
    }
  }

  private mutating func chargeExtension() throws(HTTP1Error) {
    extensionBytes += 1
    guard extensionBytes <= limits.maxHeadBytes else { throw .chunkOverheadTooLarge }
  }

  /// Takes one byte of the trailers (RFC 9112 §7.1.2), which are checked like fields and dropped.
  private mutating func stepTrailer(_ byte: UInt8) throws(HTTP1Error) -> State {
    trailerBytes += 1
    guard trailerBytes <= limits.maxHeadBytes else { throw .chunkOverheadTooLarge }
    switch state {
    case .trailerStart:
      if byte == HTTP1Bytes.carriageReturn { return .endLineFeed }
      guard HTTP1Bytes.isToken(byte) else { throw .invalidTrailer }
      trailerCount += 1
      guard trailerCount <= limits.maxFieldCount else { throw .tooManyFields }
      return .trailerName
    case .trailerName:
      if byte == HTTP1Bytes.colon { return .trailerValue }
      guard HTTP1Bytes.isToken(byte) else { throw .invalidTrailer }
      return .trailerName
    case .trailerValue:
      if byte == HTTP1Bytes.carriageReturn { return .trailerLineFeed }
      guard HTTP1Bytes.isFieldContent(byte) else { throw .invalidTrailer }
      return .trailerValue
    case .trailerLineFeed:
      guard byte == HTTP1Bytes.lineFeed else { throw .bareCarriageReturn }
      return .trailerStart
    default:
      guard byte == HTTP1Bytes.lineFeed else { throw .bareCarriageReturn }
      return .finished
    }
  }

  private static func hexadecimal(_ byte: UInt8) -> UInt64? {
    switch byte {
    case 0x30...0x39: UInt64(byte &- 0x30)
    case 0x41...0x46: UInt64(byte &- 0x37)
    case 0x61...0x66: UInt64(byte &- 0x57)
    default: nil
    }
  }
}
