// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// An error of the benchmark programs, as text.
public struct BenchError: Error, CustomStringConvertible {
  /// What went wrong.
  public let description: String

  /// An error that says what went wrong.
  public init(_ description: String) { self.description = description }
}

/// Says on standard error what a contender lacks, and leaves with 3.
public func leaveUnsupported(_ what: String) -> Never {
  _ = Array((what + "\n").utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
  exit(3)
}

/// How a stream is cut into reads.
public enum ReadSize: Sendable, Equatable {
  case bytes(Int)
  case oneFrame

  /// `frame`, or a number of bytes of at least 1.
  public init?(_ text: String) {
    if text == "frame" {
      self = .oneFrame
    } else if let count = Int(text), count > 0 {
      self = .bytes(count)
    } else {
      return nil
    }
  }
}

/// A file read whole into memory that stays in place for the life of the process.
public struct InputFile {
  /// The content.
  public let bytes: UnsafeRawBufferPointer

  /// The most bytes of a read that is one frame: no program reads much more at once.
  private static let largestFrameRead = 512 << 10

  /// Reads the file.
  public init(path: String) throws {
    guard let file = fopen(path, "rb") else { throw BenchError("cannot open \(path)") }
    defer { fclose(file) }
    fseek(file, 0, SEEK_END)
    let size = ftell(file)
    fseek(file, 0, SEEK_SET)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: size + 64, alignment: 64)
    guard fread(memory.baseAddress, 1, size, file) == size else { throw BenchError("cannot read \(path)") }
    bytes = UnsafeRawBufferPointer(rebasing: memory[..<size])
  }

  /// The reads of a decode input.
  public func reads(_ size: ReadSize) throws -> [UnsafeRawBufferPointer] {
    var reads: [UnsafeRawBufferPointer] = []
    switch size {
    case .bytes(let count):
      for start in stride(from: 0, to: bytes.count, by: count) {
        reads.append(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + count, bytes.count)]))
      }
    case .oneFrame:
      var frames = FrameWalk(bytes)
      while let frame = try frames.next() {
        var rest = frame.range
        while !rest.isEmpty {
          let read = rest.prefix(Self.largestFrameRead)
          reads.append(UnsafeRawBufferPointer(rebasing: bytes[read]))
          rest.removeFirst(read.count)
        }
      }
    }
    return reads
  }

  /// The messages of an encode or deflate input: each behind its length, 32 bits, big-endian.
  public func messages() throws -> [UnsafeRawBufferPointer] {
    var messages: [UnsafeRawBufferPointer] = []
    var position = 0
    while position < bytes.count {
      guard bytes.count - position >= 4 else { throw BenchError("the input ends inside a length") }
      let length = (0..<4).reduce(0) { $0 << 8 | Int(bytes[position + $1]) }
      position += 4
      guard bytes.count - position >= length else { throw BenchError("the input ends inside a message") }
      messages.append(UnsafeRawBufferPointer(rebasing: bytes[position..<position + length]))
      position += length
    }
    return messages
  }

  /// What a decoder must find, worked out a byte at a time and apart from every stack that is measured.
  public func expectedTotals() throws -> Totals {
    var totals = Totals()
    var frames = FrameWalk(bytes)
    var length = 0
    var opcode: UInt8 = 0
    var first: UInt8 = 0
    var last: UInt8 = 0
    while let frame = try frames.next() {
      if frame.opcode >= 8 {
        totals.add(
          length: frame.payload.count,
          opcode: frame.opcode,
          first: frame.unmasked(bytes, 0),
          last: frame.unmasked(bytes, frame.payload.count - 1)
        )
        continue
      }
      if frame.opcode != 0 {
        opcode = frame.opcode
        length = 0
        first = 0
        last = 0
      }
      if !frame.payload.isEmpty {
        if length == 0 { first = frame.unmasked(bytes, 0) }
        last = frame.unmasked(bytes, frame.payload.count - 1)
      }
      length += frame.payload.count
      if frame.isFinal { totals.add(length: length, opcode: opcode, first: first, last: last) }
    }
    return totals
  }

  /// Whether a message of the stream comes in more than one frame.
  public func hasFragments() throws -> Bool {
    var frames = FrameWalk(bytes)
    while let frame = try frames.next() {
      if !frame.isFinal { return true }
    }
    return false
  }
}

/// Walks over the frames of a stream: RFC 6455, section 5.2, without any check beyond the lengths.
struct FrameWalk {
  struct Frame {
    var range: Range<Int>
    var payload: Range<Int>
    var key: SIMD4<UInt8>
    var opcode: UInt8
    var isFinal: Bool

    func unmasked(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> UInt8 {
      guard index >= 0, index < payload.count else { return 0 }
      return bytes[payload.lowerBound + index] ^ key[index & 3]
    }
  }

  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func next() throws -> Frame? {
    let start = position
    let available = bytes.count - start
    guard available > 0 else { return nil }
    guard available >= 2 else { throw BenchError("the input ends inside a header") }
    let isMasked = bytes[start + 1] & 0x80 != 0
    let short = Int(bytes[start + 1] & 0x7F)
    let extended = short == 126 ? 2 : short == 127 ? 8 : 0
    let header = 2 + extended + (isMasked ? 4 : 0)
    guard available >= header else { throw BenchError("the input ends inside a header") }
    let length = extended == 0 ? short : (0..<extended).reduce(0) { $0 << 8 | Int(bytes[start + 2 + $1]) }
    guard length >= 0, length <= available - header else { throw BenchError("the input ends inside a frame") }
    position = start + header + length
    let key = start + header - 4
    return Frame(
      range: start..<position,
      payload: start + header..<position,
      key: isMasked ? SIMD4(bytes[key], bytes[key + 1], bytes[key + 2], bytes[key + 3]) : SIMD4(),
      opcode: bytes[start] & 0x0F,
      isFinal: bytes[start] & 0x80 != 0
    )
  }
}
