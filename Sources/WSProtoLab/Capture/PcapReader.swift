// SPDX-License-Identifier: Apache-2.0

/// Reads the packets of a pcap file (draft-ietf-opsawg-pcap), with times in microseconds or nanoseconds, in either byte
/// order. Holds one packet at most.
struct PcapReader {
  private var isLittle = false
  private var ticksPerSecond: UInt64 = 1_000_000
  private var link: LinkType?

  /// Whether a file begins like this one.
  static func recognizes(_ start: ArraySlice<UInt8>) -> Bool {
    guard let magic = start.number32(0) else { return false }
    return [0xA1B2_C3D4, 0xD4C3_B2A1, 0xA1B2_3C4D, 0x4D3C_B2A1].contains(magic)
  }

  /// Reads what waits in `queue`, and calls `each` with each packet.
  mutating func read(_ queue: inout ByteQueue, _ each: (Packet) -> Void) throws(CaptureError) {
    if link == nil {
      guard let header = queue.peek(24), let magic = header.number32(0) else { return }
      isLittle = magic == 0xD4C3_B2A1 || magic == 0x4D3C_B2A1
      if magic == 0xA1B2_3C4D || magic == 0x4D3C_B2A1 { ticksPerSecond = 1_000_000_000 }
      // The upper bits say whether, and how long, frame check sequences are.
      link = LinkType(rawValue: (header.number32(20, isLittle: isLittle) ?? 0) & 0x0FFF_FFFF)
      queue.skip(24)
    }
    guard let link else { return }
    while let header = queue.peek(16) {
      let captured = Int(header.number32(8, isLittle: isLittle) ?? 0)
      guard captured <= maxPacketBytes else {
        throw CaptureError(
          at: queue.offset,
          "a packet of \(captured) bytes, more than \(maxPacketBytes): this is not the header of a packet"
        )
      }
      let seconds = UInt64(header.number32(0, isLittle: isLittle) ?? 0)
      let fraction = UInt64(header.number32(4, isLittle: isLittle) ?? 0)
      guard let whole = queue.peek(16 + captured) else { return }
      each(
        Packet(
          time: CaptureTime(ticks: seconds * ticksPerSecond + fraction, perSecond: ticksPerSecond),
          link: link,
          bytes: whole.after(16),
          fileOffset: queue.offset + 16
        )
      )
      queue.skip(16 + captured)
    }
  }

  /// The file has ended.
  func finish(_ queue: ByteQueue) throws(CaptureError) {
    guard queue.count > 0 || link == nil else { return }
    throw CaptureError(
      at: queue.offset,
      link == nil
        ? "the file ends inside its header of 24 bytes"
        : "the file ends inside a packet, of which \(queue.count) bytes are there"
    )
  }
}
