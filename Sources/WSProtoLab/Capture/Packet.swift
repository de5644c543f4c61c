// SPDX-License-Identifier: Apache-2.0

/// A packet of a capture.
struct Packet {
  /// When it was captured; `nil` if the file doesn't say.
  var time: CaptureTime?
  var link: LinkType
  /// What was captured of it.
  var bytes: ArraySlice<UInt8>
  /// The offset of its first byte in the file.
  var fileOffset: Int
}

/// The link layer of a capture, by its number in files (LINKTYPE_ of the registry of tcpdump.org).
struct LinkType: RawRepresentable, Hashable, Sendable {
  var rawValue: UInt32

  /// The 4-byte family of BSD loopback, in the byte order of the machine that captured.
  static let null = LinkType(rawValue: 0)
  static let ethernet = LinkType(rawValue: 1)
  /// An IP packet without a header of a link, by the number that some systems use.
  static let rawSystem = LinkType(rawValue: 12)
  static let raw = LinkType(rawValue: 101)
  /// The 4-byte family of OpenBSD loopback, big-endian.
  static let loop = LinkType(rawValue: 108)
  /// `tcpdump -i any` of Linux, first version.
  static let linuxCooked = LinkType(rawValue: 113)
  static let ipv4 = LinkType(rawValue: 228)
  static let ipv6 = LinkType(rawValue: 229)
  /// `tcpdump -i any` of Linux, second version.
  static let linuxCooked2 = LinkType(rawValue: 276)
}

/// The most bytes of one packet. Captures hold up to 256 KiB; more is taken for a mistake in the file.
let maxPacketBytes = 16 << 20
