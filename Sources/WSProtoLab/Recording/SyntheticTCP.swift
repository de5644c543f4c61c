// SPDX-License-Identifier: Apache-2.0

/// Creates the packets of a TCP connection over IPv4 (RFC 9293 §3.1, RFC 791 §3.1) for traffic that passed through the
/// proxy, as if the client and the server were connected directly and without TLS.
final class SyntheticTCP {
  private enum Flag {
    static let fin: UInt8 = 0x01
    static let syn: UInt8 = 0x02
    static let rst: UInt8 = 0x04
    static let psh: UInt8 = 0x08
    static let ack: UInt8 = 0x10
  }

  private let writer: PcapngWriter
  private let addresses: [UInt32]
  private let ports: [UInt16]
  /// The sequence number of each end's next byte.
  private var next: [UInt32] = [1000, 2000]
  private var identification: UInt16 = 0

  /// The most data in one packet, well below the limit of IP packets.
  private static let maxData = 32 << 10

  /// Begins with the three packets that open the connection.
  ///
  /// - Parameters:
  ///   - client, server: the ends. Addresses that aren't IPv4 are replaced by those for documentation (RFC 5737).
  ///   - isSecure: whether the target uses TLS. The recording has no TLS, so its port becomes 80, since tools take
  ///     connections to 443 for TLS.
  init(_ writer: PcapngWriter, client: Endpoint, server: Endpoint, isSecure: Bool, at time: CaptureTime) {
    self.writer = writer
    addresses = [Self.address(client, 1), Self.address(server, 2)]
    ports = [client.port == 0 ? 49152 : client.port, isSecure || server.port == 0 ? 80 : server.port]
    send(Flag.syn, from: 0, at: time)
    next[0] &+= 1
    send(Flag.syn | Flag.ack, from: 1, at: time)
    next[1] &+= 1
    send(Flag.ack, from: 0, at: time)
  }

  /// 192.0.2.N where there is no IPv4 address.
  private static func address(_ endpoint: Endpoint, _ number: UInt32) -> UInt32 {
    guard let address = endpoint.ipv4, address != 0 else { return 0xC000_0200 | number }
    return address
  }

  /// Adds data from the client (0) or the server (1).
  func data(_ bytes: [UInt8], from index: Int, at time: CaptureTime) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(Self.maxData)
      rest = rest.dropFirst(part.count)
      send(rest.isEmpty ? Flag.ack | Flag.psh : Flag.ack, from: index, part, at: time)
      next[index] &+= UInt32(part.count)
    }
  }

  /// An end sends nothing more.
  func finish(from index: Int, at time: CaptureTime) {
    send(Flag.fin | Flag.ack, from: index, at: time)
    next[index] &+= 1
    send(Flag.ack, from: 1 - index, at: time)
  }

  func reset(from index: Int, at time: CaptureTime) { send(Flag.rst | Flag.ack, from: index, at: time) }

  // MARK: Packets

  private func send(_ flags: UInt8, from index: Int, _ data: ArraySlice<UInt8> = [], at time: CaptureTime) {
    let acknowledged = flags & Flag.ack != 0 ? next[1 - index] : 0
    var tcp = be16(ports[index]) + be16(ports[1 - index]) + be32(next[index]) + be32(acknowledged)
    // A header of 20 bytes, a full window, the checksum, no urgent data.
    tcp += [0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]
    tcp += data
    let (from, to) = (be32(addresses[index]), be32(addresses[1 - index]))
    let sum = Self.checksum(from + to + [0, 6] + be16(UInt16(tcp.count)), tcp)
    tcp.replaceSubrange(16..<18, with: be16(sum))
    identification &+= 1
    // Version 4, 20 bytes; not to be fragmented; a time to live of 64; TCP.
    var ip: [UInt8] = [0x45, 0] + be16(UInt16(20 + tcp.count)) + be16(identification)
    ip += [0x40, 0, 64, 6, 0, 0] + from + to
    ip.replaceSubrange(10..<12, with: be16(Self.checksum(ip, [])))
    writer.packet(ip + tcp, at: time)
  }

  /// The internet checksum (RFC 1071) of two parts, the first of even length.
  private static func checksum(_ first: [UInt8], _ second: [UInt8]) -> UInt16 {
    // At most 2¹⁵ words of 16 bits, whose sum fits 32 bits.
    var sum: UInt32 = 0
    for part in [first, second] {
      for index in stride(from: 0, to: part.count, by: 2) {
        sum += UInt32(part[index]) << 8 | UInt32(index + 1 < part.count ? part[index + 1] : 0)
      }
    }
    while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
    return ~UInt16(sum)
  }
}

private func be16(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xFF)] }

private func be32(_ number: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> UInt32($0)) }
}
