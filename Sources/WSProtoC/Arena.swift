// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto

/// The memory behind the pointers that an object has handed out, until its next call.
final class Arena {
  private var blocks: [UnsafeMutableRawPointer] = []
  private var extensions: [ExtensionBox] = []

  deinit { free() }

  /// Ends the life of all that was handed out.
  func reset() {
    free()
    blocks.removeAll(keepingCapacity: blocks.capacity <= Self.retainedBlocks)
    extensions.removeAll(keepingCapacity: extensions.capacity <= Self.retainedBlocks)
  }

  /// For how many blocks the list keeps room, so that one event with many fields is not paid for by a whole life.
  private static let retainedBlocks = 128

  private func free() {
    for block in blocks { block.deallocate() }
  }

  /// Never NULL data, so that empty text can be told from none.
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

  /// An array of plain C values.
  func array<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafePointer<Element>? {
    if elements.isEmpty { return nil }
    let block = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
    block.initialize(from: elements, count: elements.count)
    blocks.append(UnsafeMutableRawPointer(block))
    return UnsafePointer(block)
  }

  /// A plain C value.
  func pointer<Element: BitwiseCopyable>(to element: Element) -> UnsafePointer<Element>? { array([element]) }

  /// A pointer to an extension, which stays alive as long as the rest.
  func pointer(to box: ExtensionBox) -> OpaquePointer {
    extensions.append(box)
    return OpaquePointer(Unmanaged.passUnretained(box).toOpaque())
  }
}

extension wsproto_bytes {
  /// The bytes, for as long as the caller of the C function keeps them.
  var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(elements(data, count)) }

  var text: String { String(decoding: raw, as: UTF8.self) }

  /// `nil` for NULL data.
  var optionalText: String? { data == nil ? nil : text }
}

/// The elements of a C array. None for a count above PTRDIFF_MAX: that is what an error's -1 becomes as a `size_t`.
func elements<Element>(_ start: UnsafePointer<Element>?, _ count: Int) -> UnsafeBufferPointer<Element> {
  UnsafeBufferPointer(start: start, count: start == nil ? 0 : max(0, count))
}

/// A Swift object behind an opaque pointer.
func object<Object: AnyObject>(_ pointer: OpaquePointer, as type: Object.Type) -> Object {
  Unmanaged<Object>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

/// An opaque pointer for the caller to free.
func retained(_ object: AnyObject) -> OpaquePointer {
  OpaquePointer(Unmanaged.passRetained(object).toOpaque())
}

/// Frees what `retained` has given.
func release<Object: AnyObject>(_ pointer: OpaquePointer?, as type: Object.Type) {
  if let pointer { Unmanaged<Object>.fromOpaque(UnsafeRawPointer(pointer)).release() }
}

func role(_ number: Int32) -> ConnectionType { number == ConnectionType.client.rawValue ? .client : .server }
