// SPDX-License-Identifier: Apache-2.0

/// What a file of a recorded conversation is.
public enum CaptureFormat: String, Sendable, Hashable, CaseIterable {
  /// tcpdump's format.
  case pcap
  /// Wireshark's format.
  case pcapng
  /// A dump in hexadecimal: see `xxd` and `hexdump -C`.
  case hex
  /// The bytes of one direction.
  case raw
  /// A browser's HTTP Archive.
  case har

  /// The format of a file that begins so; `nil` if more must be seen.
  init?(_ start: ArraySlice<UInt8>, isWhole: Bool) throws(CaptureError) {
    if PcapReader.recognizes(start) {
      self = .pcap
    } else if PcapngReader.recognizes(start) {
      self = .pcapng
    } else if start.starts(with: [0x1F, 0x8B]) || start.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
      throw CaptureError(
        at: 0,
        "a compressed file: decompress it first, for example with gzip -dc or zstd -dc"
      )
    } else if start.count < Self.beginning, !isWhole {
      return nil
    } else if HARReader.recognizes(start.prefix(Self.beginning)) {
      self = .har
    } else if HexDumpReader.recognizes(Self.lines(start, isWhole: isWhole)) {
      self = .hex
    } else {
      self = .raw
    }
  }

  /// How much decides; the same however large the first piece is.
  private static let beginning = 512

  /// The lines of the beginning that are there to their end; without one, its digits up to the last white space.
  private static func lines(_ start: ArraySlice<UInt8>, isWhole: Bool) -> ArraySlice<UInt8> {
    let beginning = start.prefix(Self.beginning)
    if isWhole, beginning.count == start.count { return beginning }
    let end = beginning.lastIndex(of: 0x0A) ?? beginning.lastIndex(of: 0x20)
    return end.map { beginning[..<$0] } ?? beginning
  }
}
