// SPDX-License-Identifier: Apache-2.0

/// A TCP segment (RFC 9293 §3.1).
struct TCPSegment {
  var source: Endpoint
  var destination: Endpoint
  var sequence: UInt32
  /// `nil` without ACK.
  var acknowledged: UInt32?
  var isSYN: Bool
  var isFIN: Bool
  var isRST: Bool
  /// The data, as far as it was captured.
  var payload: ArraySlice<UInt8>
  /// How many bytes at the end of the data were not captured (the snap length of the capture).
  var missing = 0
}

/// What an IP packet is.
enum IPContent {
  case tcp(TCPSegment)
  /// A fragment of an IP packet. Fragments are not put together.
  case fragment
  /// Another protocol, or a packet that is cut off inside its headers.
  case other
}

extension IPContent {
  /// Reads an IPv4 or IPv6 packet. Bytes after the length that its header declares are padding of the link.
  init(_ packet: ArraySlice<UInt8>) {
    self = (packet.first ?? 0) >> 4 == 4 ? Self.ipv4(packet) : Self.ipv6(packet)
  }

  private static func ipv4(_ packet: ArraySlice<UInt8>) -> IPContent {
    guard let first = packet.byte(0), let total = packet.number16(2), let fragment = packet.number16(6),
      let number = packet.byte(9)
    else { return .other }
    let header = Int(first & 0x0F) * 4
    // With segmentation offload, a packet that is handed to the link may be too long for its length field.
    let length = total == 0 ? packet.count : Int(total)
    guard header >= 20, length >= header, packet.count >= header, number == 6 else { return .other }
    if fragment & 0x3FFF != 0 { return .fragment }
    return tcp(
      packet.after(header).prefix(length - header),
      length: length - header,
      from: packet.after(12).prefix(4),
      to: packet.after(16).prefix(4)
    )
  }

  private static func ipv6(_ packet: ArraySlice<UInt8>) -> IPContent {
    guard let declared = packet.number16(4), var next = packet.byte(6), packet.count >= 40 else {
      return .other
    }
    var rest = packet.after(40)
    var length = declared == 0 ? rest.count : Int(declared)
    rest = rest.prefix(length)
    // Extension headers, which all begin with the next header and, in 8-byte units, their length.
    while next == 0 || next == 43 || next == 60 {
      guard let following = rest.byte(0), let units = rest.byte(1) else { return .other }
      next = following
      let size = (Int(units) + 1) * 8
      rest = rest.after(size)
      length -= size
    }
    if next == 44 { return .fragment }
    guard next == 6, length > 0 else { return .other }
    return tcp(rest, length: length, from: packet.after(8).prefix(16), to: packet.after(24).prefix(16))
  }

  private static func tcp(
    _ bytes: ArraySlice<UInt8>,
    length: Int,
    from: ArraySlice<UInt8>,
    to: ArraySlice<UInt8>
  ) -> IPContent {
    guard let sourcePort = bytes.number16(0), let destinationPort = bytes.number16(2),
      let sequence = bytes.number32(4), let acknowledged = bytes.number32(8), let offset = bytes.byte(12),
      let flags = bytes.byte(13), let source = Endpoint(address: from, port: sourcePort),
      let destination = Endpoint(address: to, port: destinationPort)
    else { return .other }
    let header = Int(offset >> 4) * 4
    guard header >= 20, length >= header else { return .other }
    let payload = bytes.after(header)
    return .tcp(
      TCPSegment(
        source: source,
        destination: destination,
        sequence: sequence,
        acknowledged: flags & 0x10 != 0 ? acknowledged : nil,
        isSYN: flags & 0x02 != 0,
        isFIN: flags & 0x01 != 0,
        isRST: flags & 0x04 != 0,
        payload: payload,
        missing: length - header - payload.count
      )
    )
  }
}
