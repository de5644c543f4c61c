// SPDX-License-Identifier: Apache-2.0

/// Reads the packets of a pcapng file (draft-ietf-opsawg-pcapng): any number of sections and interfaces, in either byte
/// order. Blocks that hold no packet are gone past. Holds one block at most.
struct PcapngReader {
  private struct Interface {
    var link: LinkType
    var ticksPerSecond: UInt64 = 1_000_000
    /// What is added to each time, in seconds.
    var offset: UInt64 = 0
    var snapLength = 0
  }

  private enum BlockType {
    static let section: UInt32 = 0x0A0D_0D0A
    static let interface: UInt32 = 1
    static let oldPacket: UInt32 = 2
    static let simplePacket: UInt32 = 3
    static let packet: UInt32 = 6
  }

  /// A file describes few interfaces; each description takes memory.
  private static let maxInterfaces = 4096

  private var isLittle = false
  private var hasSection = false
  private var interfaces: [Interface] = []
  /// Bytes of a large block without packets that are still to go past.
  private var skipping = 0

  /// Whether a file begins like this one.
  static func recognizes(_ start: ArraySlice<UInt8>) -> Bool { start.number32(0) == BlockType.section }

  /// Reads what waits in `queue`, and calls `each` with each packet.
  mutating func read(_ queue: inout ByteQueue, _ each: (Packet) -> Void) throws(CaptureError) {
    while true {
      if skipping > 0 {
        let skipped = min(skipping, queue.count)
        queue.skip(skipped)
        skipping -= skipped
        if skipping > 0 { return }
      }
      guard let head = queue.peek(12) else { return }
      if head.number32(0) == BlockType.section { try readOrder(head, at: queue.offset) }
      guard hasSection || head.number32(0) == BlockType.section else {
        throw CaptureError(at: queue.offset, "a block before a section header")
      }
      let type = head.number32(0, isLittle: isLittle) ?? 0
      let length = Int(head.number32(4, isLittle: isLittle) ?? 0)
      guard length >= 12, length % 4 == 0 else {
        throw CaptureError(
          at: queue.offset + 4,
          "a block's length of \(length): it is at least 12 and a multiple of 4"
        )
      }
      switch type {
      case BlockType.section, BlockType.interface, BlockType.packet, BlockType.simplePacket,
        BlockType.oldPacket:
        guard length <= maxPacketBytes + 4096 else {
          throw CaptureError(at: queue.offset + 4, "a block of \(length) bytes, more than \(maxPacketBytes)")
        }
        guard let block = queue.peek(length) else { return }
        guard block.number32(length - 4, isLittle: isLittle) == UInt32(length) else {
          throw CaptureError(
            at: queue.offset + length - 4,
            "a block's length at its end differs from that at its beginning"
          )
        }
        try take(type, block.after(8).dropLast(4), at: queue.offset + 8, each)
        queue.skip(length)
      default: skipping = length
      }
    }
  }

  /// The file has ended.
  func finish(_ queue: ByteQueue) throws(CaptureError) {
    guard queue.count > 0 || skipping > 0 else { return }
    throw CaptureError(at: queue.offset, "the file ends inside a block")
  }

  private mutating func readOrder(_ head: ArraySlice<UInt8>, at offset: Int) throws(CaptureError) {
    switch head.number32(8) {
    case 0x1A2B_3C4D: isLittle = false
    case 0x4D3C_2B1A: isLittle = true
    default: throw CaptureError(at: offset + 8, "a section header without the magic 1A2B3C4D")
    }
  }

  /// `body` is a block without its type and lengths.
  private mutating func take(
    _ type: UInt32,
    _ body: ArraySlice<UInt8>,
    at offset: Int,
    _ each: (Packet) -> Void
  ) throws(CaptureError) {
    switch type {
    case BlockType.section:
      hasSection = true
      interfaces = []
    case BlockType.interface:
      guard interfaces.count < Self.maxInterfaces else {
        throw CaptureError(at: offset, "more than \(Self.maxInterfaces) interfaces")
      }
      interfaces.append(try interface(body, at: offset))
    case BlockType.packet, BlockType.oldPacket:
      let isOld = type == BlockType.oldPacket
      let number =
        isOld
        ? body.number16(0, isLittle: isLittle).map(Int.init)
        : body.number32(0, isLittle: isLittle).map(Int.init)
      guard let number, let high = body.number32(4, isLittle: isLittle),
        let low = body.number32(8, isLittle: isLittle), let captured = body.number32(12, isLittle: isLittle)
      else { throw CaptureError(at: offset, "a packet block of \(body.count) bytes, fewer than its 20") }
      guard number < interfaces.count else {
        throw CaptureError(at: offset, "a packet of interface \(number), which is not described")
      }
      guard body.count >= 20, Int(captured) <= body.count - 20 else {
        throw CaptureError(at: offset + 12, "a packet of \(captured) bytes in a block of \(body.count)")
      }
      let from = interfaces[number]
      let ticks = UInt64(high) << 32 | UInt64(low)
      var time = CaptureTime(ticks: ticks, perSecond: from.ticksPerSecond)
      time.nanoseconds =
        time.nanoseconds.addingReportingOverflow(
          CaptureTime(ticks: from.offset, perSecond: 1).nanoseconds
        ).partialValue
      each(
        Packet(
          time: time,
          link: from.link,
          bytes: body.after(20).prefix(Int(captured)),
          fileOffset: offset + 20
        )
      )
    default:
      guard let from = interfaces.first, let original = body.number32(0, isLittle: isLittle) else {
        throw CaptureError(at: offset, "a simple packet without an interface or a length")
      }
      let captured = from.snapLength > 0 ? min(Int(original), from.snapLength) : Int(original)
      each(Packet(time: nil, link: from.link, bytes: body.after(4).prefix(captured), fileOffset: offset + 4))
    }
  }

  private func interface(_ body: ArraySlice<UInt8>, at offset: Int) throws(CaptureError) -> Interface {
    guard let link = body.number16(0, isLittle: isLittle), let snap = body.number32(4, isLittle: isLittle)
    else { throw CaptureError(at: offset, "an interface block of \(body.count) bytes, fewer than its 8") }
    var interface = Interface(link: LinkType(rawValue: UInt32(link)))
    interface.snapLength = Int(snap)
    var options = body.after(8)
    while let code = options.number16(0, isLittle: isLittle),
      let length = options.number16(2, isLittle: isLittle), code != 0
    {
      let value = options.after(4).prefix(Int(length))
      if code == 9, let resolution = value.first {
        interface.ticksPerSecond = try Self.rate(resolution, at: offset)
      } else if code == 14, let seconds = value.number64(0, isLittle: isLittle) {
        interface.offset = seconds
      }
      options = options.after(4 + (Int(length) + 3) / 4 * 4)
    }
    return interface
  }

  /// if_tsresol: a negative power of 10, or of 2 with the highest bit.
  private static func rate(_ resolution: UInt8, at offset: Int) throws(CaptureError) -> UInt64 {
    let exponent = Int(resolution & 0x7F)
    guard exponent <= (resolution & 0x80 == 0 ? 19 : 63) else {
      throw CaptureError(at: offset, "times in units of which more than 2⁶³ make a second")
    }
    if resolution & 0x80 != 0 { return 1 << UInt64(exponent) }
    return (0..<exponent).reduce(1) { rate, _ in rate * 10 }
  }
}
