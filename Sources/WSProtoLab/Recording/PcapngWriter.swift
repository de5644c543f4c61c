// SPDX-License-Identifier: Apache-2.0

/// Writes a pcapng file (draft-ietf-opsawg-pcapng) with one section and one interface, in little-endian byte order, with
/// times in nanoseconds. The packets are IP packets without a link-layer header.
final class PcapngWriter {
  private let write: ([UInt8]) -> Void
  private var hasBegun = false

  /// - Parameter write: called with the next bytes of the file, always whole blocks.
  init(_ write: @escaping ([UInt8]) -> Void) { self.write = write }

  /// Writes the file's header, unless it has been written.
  func begin() {
    guard !hasBegun else { return }
    hasBegun = true
    // Of unknown length; the application's name as an option.
    let section =
      Self.block(
        0x0A0D_0D0A,
        le32(0x1A2B_3C4D) + le16(1) + le16(0) + [UInt8](repeating: 0xFF, count: 8)
          + Self.option(4, Array("wsproto proxy".utf8)) + le32(0)
      )
    // No limit of length; if_tsresol 9: nanoseconds.
    let interface = Self.block(
      1,
      le16(UInt16(LinkType.raw.rawValue)) + le16(0) + le32(0) + Self.option(9, [9]) + le32(0)
    )
    write(section + interface)
  }

  /// Writes a packet of at most 64 KiB.
  func packet(_ bytes: [UInt8], at time: CaptureTime) {
    begin()
    let ticks = UInt64(max(0, time.nanoseconds))
    let count = le32(UInt32(bytes.count))
    write(
      Self.block(
        6,
        le32(0) + le32(UInt32(ticks >> 32)) + le32(UInt32(truncatingIfNeeded: ticks)) + count + count
          + Self.padded(bytes)
      )
    )
  }

  private static func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
    let length = le32(UInt32(body.count + 12))
    return le32(type) + length + body + length
  }

  private static func option(_ code: UInt16, _ value: [UInt8]) -> [UInt8] {
    le16(code) + le16(UInt16(value.count)) + padded(value)
  }

  /// Pads to a multiple of four bytes.
  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
  }
}

private func le16(_ number: UInt16) -> [UInt8] { [UInt8(number & 0xFF), UInt8(number >> 8)] }

private func le32(_ number: UInt32) -> [UInt8] {
  [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
}
