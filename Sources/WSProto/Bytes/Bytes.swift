// SPDX-License-Identifier: Apache-2.0

/// Immutable bytes: the payload of an event.
///
/// Indexed from zero, cheap to copy, and safe to keep and to pass between threads. Received bytes share the
/// storage of the chunk they arrived in, so keeping a small payload keeps that whole chunk alive (typically
/// 64 KiB). To avoid that, copy it with `Array(payload)` or ``Bytes/init(_:)-(S)``.
public struct Bytes: @unchecked Sendable {
  // Unchecked: ByteStorage explains why a byte that a `Bytes` can see is never written again.
  // Invariant: `storage` is nil only if `count` is 0; offset and count stay within the initialised part of
  // the storage.
  @usableFromInline let storage: ByteStorage?
  @usableFromInline let offset: Int

  /// The number of bytes.
  public let count: Int

  /// No bytes.
  @inlinable public init() {
    storage = nil
    offset = 0
    count = 0
  }

  /// A part of a storage. The bytes in that part must be initialised and never written again.
  @inline(__always)
  init(sharing storage: ByteStorage, offset: Int, count: Int) {
    self.storage = storage
    self.offset = offset
    self.count = count
  }

  /// A copy of `buffer`.
  public init(copying buffer: UnsafeRawBufferPointer) {
    guard let source = buffer.baseAddress, buffer.count > 0 else {
      self.init()
      return
    }
    let storage = ByteStorage.allocate(buffer.count)
    storage.base.copyMemory(from: source, byteCount: buffer.count)
    self.init(sharing: storage, offset: 0, count: buffer.count)
  }

  /// A copy of `span`.
  public init(copying span: RawSpan) {
    self = span.withUnsafeBytes { Bytes(copying: $0) }
  }

  /// A copy of any sequence of bytes. Contiguous sequences are copied in one go.
  public init<S: Sequence>(_ bytes: S) where S.Element == UInt8 {
    let copied = bytes.withContiguousStorageIfAvailable { Bytes(copying: UnsafeRawBufferPointer($0)) }
    if let copied {
      self = copied
    } else {
      self = Array(bytes).withUnsafeBytes { Bytes(copying: $0) }
    }
  }

  /// The UTF-8 bytes of `text`.
  public init(_ text: String) {
    self.init(text.utf8)
  }

  /// Calls `body` with the bytes. The pointer is valid only during the call.
  @inlinable
  public func withUnsafeBytes<R, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
  ) throws(Failure) -> R {
    guard let storage else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeRawBufferPointer(start: storage.base + offset, count: count))
  }

  /// The bytes in `range`, sharing this storage. Traps if the range is out of bounds, like a subscript.
  public func part(_ range: Range<Int>) -> Bytes {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range out of bounds")
    guard let storage, !range.isEmpty else { return Bytes() }
    return Bytes(sharing: storage, offset: offset + range.lowerBound, count: range.count)
  }
}

extension Bytes: RandomAccessCollection {
  /// Always 0.
  @inlinable public var startIndex: Int { 0 }
  /// Same as ``count``.
  @inlinable public var endIndex: Int { count }

  /// The byte at `position`, counted from 0. Traps out of bounds, like an array.
  @inlinable public subscript(position: Int) -> UInt8 {
    precondition(position >= 0 && position < count, "index out of bounds")
    guard let storage else { return 0 }
    // In bounds: the precondition, and the invariant of `offset` and `count`.
    return storage.base.load(fromByteOffset: offset + position, as: UInt8.self)
  }

  /// Calls `body` with the bytes, which are always contiguous.
  @inlinable
  public func withContiguousStorageIfAvailable<R>(
    _ body: (UnsafeBufferPointer<UInt8>) throws -> R
  ) rethrows -> R? {
    guard let storage else { return try body(UnsafeBufferPointer(start: nil, count: 0)) }
    defer { withExtendedLifetime(storage) {} }
    let start = (storage.base + offset).assumingMemoryBound(to: UInt8.self)
    return try body(UnsafeBufferPointer(start: start, count: count))
  }
}

extension Bytes: Hashable {
  /// Whether the bytes are the same.
  public static func == (left: Bytes, right: Bytes) -> Bool {
    left.count == right.count
      && left.withUnsafeBytes { l in
        right.withUnsafeBytes { r in l.elementsEqual(r) }
      }
  }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) {
    withUnsafeBytes { hasher.combine(bytes: $0) }
  }
}

extension Bytes {
  /// The bytes, borrowed from this value.
  @inlinable
  public var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      guard let storage else { return Span() }
      let start = UnsafePointer((storage.base + offset).assumingMemoryBound(to: UInt8.self))
      // In bounds by the invariant of `offset` and `count`; the storage lives as long as `self` holds it.
      let span = Span(_unsafeStart: start, count: count)
      return _overrideLifetime(span, borrowing: self)
    }
  }
}

extension Bytes: ExpressibleByStringLiteral {
  /// `Ping(payload: "abc")`: the UTF-8 bytes of the text.
  public init(stringLiteral value: String) {
    self.init(value)
  }
}

extension Bytes: ExpressibleByArrayLiteral {
  /// `let payload: Bytes = [1, 2, 3]`
  public init(arrayLiteral elements: UInt8...) {
    self.init(elements)
  }
}

extension Bytes: CustomStringConvertible {
  /// The count, and the first bytes in hexadecimal.
  public var description: String {
    let digits = Array("0123456789abcdef".utf8)
    var text = "\(count) bytes"
    if count > 0 { text += ":" }
    for byte in prefix(16) {
      text += " "
      text.unicodeScalars.append(Unicode.Scalar(digits[Int(byte >> 4)]))
      text.unicodeScalars.append(Unicode.Scalar(digits[Int(byte & 15)]))
    }
    return count > 16 ? text + " …" : text
  }
}

/// Calls `body` with the bytes of a sequence: in place if they're contiguous, otherwise from a temporary
/// array.
@inlinable
func withBytes<S: Sequence, Failure: Error>(
  of data: S,
  _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
) throws(Failure) where S.Element == UInt8 {
  var result: Result<Void, Failure>?
  data.withContiguousStorageIfAvailable { buffer in
    do throws(Failure) {
      result = .success(try body(UnsafeRawBufferPointer(buffer)))
    } catch {
      result = .failure(error)
    }
  }
  if let result { return try result.get() }
  try Array(data).span.bytes.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
}
