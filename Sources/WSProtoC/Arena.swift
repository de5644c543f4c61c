// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto

/// The memory behind the pointers that an object has handed out. They are valid until its next call.
final class Arena {
  private var blocks: [UnsafeMutableRawPointer] = []
  private var extensions: [ExtensionBox] = []

  deinit { free() }

  /// Frees everything that was handed out.
  func reset() {
    free()
    blocks.removeAll(keepingCapacity: blocks.capacity <= Self.retainedBlocks)
    extensions.removeAll(keepingCapacity: extensions.capacity <= Self.retainedBlocks)
  }

  /// The list keeps capacity for this many blocks, so that one event with many fields doesn't use memory for
  /// ever.
  private static let retainedBlocks = 128

  private func free() {
    for block in blocks { block.deallocate() }
  }

  /// The data is never NULL, so that empty text differs from no text.
  func copy(_ bytes: UnsafeRawBufferPointer) -> wsproto_bytes {
    let block = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
    blocks.append(block)
    if let source = bytes.baseAddress { block.copyMemory(from: source, byteCount: bytes.count) }
    return wsproto_bytes(data: UnsafePointer(block.assumingMemoryBound(to: UInt8.self)), count: bytes.count)
  }

  func copy(_ bytes: [UInt8]) -> wsproto_bytes { bytes.withUnsafeBytes { copy($0) } }

  func copy(_ text: String) -> wsproto_bytes {
    var text = text
    return text.withUTF8 { copy(UnsafeRawBufferPointer($0)) }
  }

  func copy(_ bytes: Bytes) -> wsproto_bytes { bytes.withUnsafeBytes { copy($0) } }

  /// Copies plain C values to an array.
  func array<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafePointer<Element>? {
    if elements.isEmpty { return nil }
    let block = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    block.initialize(from: elements, count: elements.count)
    blocks.append(UnsafeMutableRawPointer(block))
    return UnsafePointer(block)
  }

  /// Copies a plain C value.
  func pointer<Element: BitwiseCopyable>(to element: Element) -> UnsafePointer<Element>? { array([element]) }

  /// A pointer to an extension, which is kept alive as long as the other memory.
  func pointer(to box: ExtensionBox) -> OpaquePointer {
    extensions.append(box)
    return OpaquePointer(Unmanaged.passUnretained(box).toOpaque())
  }
}

extension wsproto_bytes {
  /// The bytes. Valid as long as the caller of the C function keeps them.
  var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(elements(data, count)) }

  var text: String { String(decoding: raw, as: UTF8.self) }

  /// The text; `nil` if the data is NULL.
  var optionalText: String? { data == nil ? nil : text }
}

/// The elements of a C array; none if the count is above PTRDIFF_MAX, which is what an error's -1 becomes as
/// a `size_t`.
func elements<Element>(_ start: UnsafePointer<Element>?, _ count: Int) -> UnsafeBufferPointer<Element> {
  UnsafeBufferPointer(start: start, count: start == nil ? 0 : max(0, count))
}

/// The Swift object behind an opaque pointer.
func object<Object: AnyObject>(_ pointer: OpaquePointer, as type: Object.Type) -> Object {
  Unmanaged<Object>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

/// An opaque pointer that the caller must free.
func retained(_ object: AnyObject) -> OpaquePointer {
  OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// Releases a pointer made by `retained`.
func release<Object: AnyObject>(_ pointer: OpaquePointer?, as type: Object.Type) {
  if let pointer { Unmanaged<Object>.fromOpaque(UnsafeRawPointer(pointer)).release() }
}

func role(_ number: Int32) -> ConnectionType { number == ConnectionType.client.rawValue ? .client : .server }
