// SPDX-License-Identifier: Apache-2.0

/// Numbers in bytes that may be cut off anywhere. Offsets are relative to the first byte of the slice.
extension ArraySlice<UInt8> {
  /// The byte at `offset`; `nil` beyond the end.
  func byte(_ offset: Int) -> UInt8? {
    offset >= 0 && offset < count ? self[startIndex + offset] : nil
  }

  /// A 16-bit number, big-endian unless `isLittle`.
  func number16(_ offset: Int, isLittle: Bool = false) -> UInt16? {
    guard offset >= 0, count >= 2, offset <= count - 2 else { return nil }
    let (first, second) = (UInt16(self[startIndex + offset]), UInt16(self[startIndex + offset + 1]))
    return isLittle ? second << 8 | first : first << 8 | second
  }

  /// A 32-bit number, big-endian unless `isLittle`.
  func number32(_ offset: Int, isLittle: Bool = false) -> UInt32? {
    guard let first = number16(offset, isLittle: isLittle),
      let second = number16(offset + 2, isLittle: isLittle)
    else { return nil }
    return isLittle ? UInt32(second) << 16 | UInt32(first) : UInt32(first) << 16 | UInt32(second)
  }

  /// A 64-bit number, big-endian unless `isLittle`.
  func number64(_ offset: Int, isLittle: Bool = false) -> UInt64? {
    guard let first = number32(offset, isLittle: isLittle),
      let second = number32(offset + 4, isLittle: isLittle)
    else { return nil }
    return isLittle ? UInt64(second) << 32 | UInt64(first) : UInt64(first) << 32 | UInt64(second)
  }

  /// What follows the first `count` bytes; empty if there are fewer.
  func after(_ count: Int) -> ArraySlice<UInt8> { dropFirst(Swift.max(0, count)) }
}
