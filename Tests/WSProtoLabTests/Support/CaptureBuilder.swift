// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// Makes captures of a conversation: TCP segments in packets of a link, in a file.
struct CaptureBuilder {
  struct Segment {
    var sender: ConnectionType
    var offset: Int
    var bytes: [UInt8]
    var isSYN = false
    var isFIN = false
  }

  var link = LinkType.ethernet
  var isIPv6 = false
  var hasVLAN = false
  /// The sequence numbers before each end's first byte.
  var initial: [UInt32] = [1000, 0xFFFF_FF00]
  var clientPort: UInt16 = 50_000
  private(set) var segments: [Segment] = []
  private var sent = [0, 0]

  private func index(_ sender: ConnectionType) -> Int { sender == .client ? 0 : 1 }

  /// A conversation from SYN to FIN, in segments of at most `size` bytes.
  init(_ recording: Recording, size: Int = 1400, isWhole: Bool = true) {
    if isWhole {
      segments.append(Segment(sender: .client, offset: -1, bytes: [], isSYN: true))
      segments.append(Segment(sender: .server, offset: -1, bytes: [], isSYN: true))
    }
    for step in recording.steps {
      var rest = step.bytes[...]
      while !rest.isEmpty {
        let part = Array(rest.prefix(size))
        rest = rest.dropFirst(part.count)
        segments.append(Segment(sender: step.sender, offset: sent[index(step.sender)], bytes: part))
        sent[index(step.sender)] += part.count
      }
    }
    guard isWhole else { return }
    for sender in [ConnectionType.client, .server] {
      segments.append(Segment(sender: sender, offset: sent[index(sender)], bytes: [], isFIN: true))
    }
  }

  mutating func change(_ body: (inout [Segment]) -> Void) { body(&segments) }

  // MARK: Packets

  /// The packets in order, without the file around them.
  func packets() -> [[UInt8]] {
    var seen = [0, 0]
    return segments.map { segment in
      let from = index(segment.sender)
      seen[from] = max(seen[from], segment.offset + segment.bytes.count)
      let acknowledged = initial[1 - from] &+ 1 &+ UInt32(seen[1 - from])
      let isFirst = segment.isSYN && segment.sender == .client
      return packet(segment, acknowledged: isFirst ? nil : acknowledged)
    }
  }

  private func packet(_ segment: Segment, acknowledged: UInt32?) -> [UInt8] {
    let from = index(segment.sender)
    let sequence = initial[from] &+ 1 &+ UInt32(truncatingIfNeeded: segment.offset)
    let ports: [UInt16] = [clientPort, 80]
    var tcp = be16(ports[from]) + be16(ports[1 - from]) + be32(sequence) + be32(acknowledged ?? 0)
    var flags: UInt8 = acknowledged != nil ? 0x10 : 0
    if segment.isSYN { flags |= 2 }
    if segment.isFIN { flags |= 1 }
    // With an option of 4 bytes, as real segments have them.
    tcp += [0x60, flags, 0xFF, 0xFF, 0, 0, 0, 0, 1, 1, 1, 1] + segment.bytes
    return framed(isIPv6 ? ipv6(tcp, from) : ipv4(tcp, from))
  }

  private func ipv4(_ tcp: [UInt8], _ from: Int) -> [UInt8] {
    let addresses: [[UInt8]] = [[127, 0, 0, 1], [127, 0, 0, 2]]
    return [0x45, 0] + be16(UInt16(truncatingIfNeeded: 20 + tcp.count)) + [0, 1, 0x40, 0, 64, 6, 0, 0]
      + addresses[from] + addresses[1 - from] + tcp
  }

  private func ipv6(_ tcp: [UInt8], _ from: Int) -> [UInt8] {
    let addresses = [1, 2].map { [UInt8](repeating: 0, count: 15) + [$0] }
    // With a hop-by-hop header of 8 bytes.
    return [0x60, 0, 0, 0] + be16(UInt16(truncatingIfNeeded: 8 + tcp.count)) + [0, 64]
      + addresses[from] + addresses[1 - from] + [6, 0, 1, 4, 0, 0, 0, 0] + tcp
  }

  private func framed(_ ip: [UInt8]) -> [UInt8] {
    let type: [UInt8] = isIPv6 ? [0x86, 0xDD] : [0x08, 0x00]
    switch link {
    case .ethernet:
      let tag: [UInt8] = hasVLAN ? [0x81, 0, 0, 7] : []
      // Short frames are padded.
      let padding = [UInt8](repeating: 0, count: max(0, 46 - ip.count))
      return [UInt8](repeating: 2, count: 12) + tag + type + ip + padding
    case .null: return [isIPv6 ? 24 : 2, 0, 0, 0] + ip
    case .loop: return [0, 0, 0, isIPv6 ? 24 : 2] + ip
    case .linuxCooked: return [0, 0, 0, 1, 0, 6] + [UInt8](repeating: 0, count: 8) + type + ip
    case .linuxCooked2: return type + [UInt8](repeating: 0, count: 18) + ip
    default: return ip
    }
  }

  // MARK: Files

  /// A pcap file, with a packet each millisecond.
  func pcap(isLittle: Bool = true, nanoseconds: Bool = false) -> [UInt8] {
    let number = isLittle ? le32 : be32
    var file = number(nanoseconds ? 0xA1B2_3C4D : 0xA1B2_C3D4) + (isLittle ? [2, 0, 4, 0] : [0, 2, 0, 4])
    file += number(0) + number(0) + number(262_144) + number(link.rawValue)
    for (index, packet) in packets().enumerated() {
      let fraction = UInt32(index) * (nanoseconds ? 1_000_000 : 1000)
      file +=
        number(1_700_000_000) + number(fraction) + number(UInt32(packet.count)) + number(UInt32(packet.count))
      file += packet
    }
    return file
  }

  /// A pcapng file with times in nanoseconds, and a block that holds no packet.
  func pcapng(isLittle: Bool = true) -> [UInt8] {
    let number = isLittle ? le32 : be32
    let short = { (value: UInt16) in isLittle ? Array(be16(value).reversed()) : be16(value) }
    func block(_ type: UInt32, _ body: [UInt8]) -> [UInt8] {
      let padded = body + [UInt8](repeating: 0, count: (4 - body.count % 4) % 4)
      let length = number(UInt32(padded.count + 12))
      return number(type) + length + padded + length
    }
    var file = block(
      0x0A0D_0D0A,
      number(0x1A2B_3C4D) + short(1) + short(0) + number(0xFFFF_FFFF) + number(0xFFFF_FFFF)
    )
    file += block(
      1,
      short(UInt16(link.rawValue)) + short(0) + number(0) + short(9) + short(1) + [9, 0, 0, 0]
    )
    file += block(0xBAD, [1, 2, 3, 4, 5])
    for (index, packet) in packets().enumerated() {
      let ticks = UInt64(1_700_000_000) * 1_000_000_000 + UInt64(index) * 1_000_000
      let count = number(UInt32(packet.count))
      file += block(
        6,
        number(0) + number(UInt32(ticks >> 32)) + number(UInt32(truncatingIfNeeded: ticks)) + count + count
          + packet
      )
    }
    return file
  }
}

private func be16(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }
private func be32(_ value: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
}
private func le32(_ value: UInt32) -> [UInt8] { be32(value).reversed() }
