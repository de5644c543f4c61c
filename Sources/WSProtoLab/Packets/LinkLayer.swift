// SPDX-License-Identifier: Apache-2.0

/// Finds the IP packet in a packet of a link.
enum LinkLayer {
  /// What a packet of a link holds.
  enum Content {
    case ip(ArraySlice<UInt8>)
    /// Another protocol, or a packet that is cut off before its IP header.
    case other
    /// A link that is not read here.
    case unknownLink
  }

  static func content(of packet: Packet) -> Content {
    let bytes = packet.bytes
    switch packet.link {
    case .ethernet: return ethernet(bytes.number16(12), bytes.after(14))
    case .null, .loop:
      // The family of IPv6 differs between systems, so the version in the packet decides.
      return ip(bytes.after(4))
    case .raw, .rawSystem, .ipv4, .ipv6: return ip(bytes)
    case .linuxCooked: return ethernet(bytes.number16(14), bytes.after(16))
    case .linuxCooked2: return ethernet(bytes.number16(0), bytes.after(20))
    default: return .unknownLink
    }
  }

  private static func ethernet(_ type: UInt16?, _ payload: ArraySlice<UInt8>) -> Content {
    var type = type
    var payload = payload
    // VLAN tags (IEEE 802.1Q, 802.1ad and the older 9100), each of 4 bytes.
    while type == 0x8100 || type == 0x88A8 || type == 0x9100 {
      type = payload.number16(2)
      payload = payload.after(4)
    }
    return type == 0x0800 || type == 0x86DD ? ip(payload) : .other
  }

  private static func ip(_ bytes: ArraySlice<UInt8>) -> Content {
    guard let first = bytes.first, first >> 4 == 4 || first >> 4 == 6 else { return .other }
    return .ip(bytes)
  }
}
