// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Reads a recorded conversation piece by piece, and tells what is in it: handshakes, frames, messages, and what is wrong
/// with them.
///
/// It opens no file. Pass what the file holds to ``receive(_:)``, in pieces of any size, and call ``finish()`` at the end.
/// The memory depends on ``InspectionOptions`` and on how many connections are under way at once, not on the file's size.
///
/// ```swift
/// import WSProtoLab
///
/// let inspection = Inspection { observation in
///   if case .finding(let finding) = observation.content { print(finding.message) }
/// }
/// try inspection.receive(bytes.span.bytes)
/// try inspection.finish()
/// ```
public final class Inspection {
  private enum Reader {
    case undecided
    case pcap(PcapReader)
    case pcapng(PcapngReader)
    case hex(HexDumpReader, Conversation?)
    case raw(Conversation)
    case har(HARReader, HARConversation)
    case finished
  }

  private let output: InspectionOutput
  private var reader = Reader.undecided
  private var queue = ByteQueue()
  private var table: TCPTable
  private var fragments = 0
  private var unknownLinks: Set<UInt32> = []
  private var packets = 0
  private var segments = 0

  /// An inspection.
  ///
  /// - Parameter each: called with each observation, in order, during ``receive(_:)`` and ``finish()``.
  public init(options: InspectionOptions = InspectionOptions(), _ each: @escaping (Observation) -> Void) {
    output = InspectionOutput(options, each)
    table = TCPTable(output, maxConnections: options.maxConnections)
  }

  /// The file's format; `nil` until its beginning has been seen.
  public private(set) var format: CaptureFormat?

  /// Takes the next bytes of the file.
  ///
  /// - Throws: ``CaptureError`` where the file cannot be read further. What was read before has been told; further bytes
  ///   are ignored.
  public func receive(_ bytes: RawSpan) throws(CaptureError) {
    if case .finished = reader { return }
    queue.append(bytes)
    do throws(CaptureError) {
      try read(isLast: false)
    } catch {
      close()
      throw error
    }
  }

  /// The file has ended. Call it once, also after an error.
  ///
  /// - Throws: ``CaptureError`` if the file ends in the middle of something.
  public func finish() throws(CaptureError) {
    defer { close() }
    try read(isLast: true)
    switch reader {
    case .undecided, .raw, .finished: break
    case .pcap(let reader): try reader.finish(queue)
    case .pcapng(let reader): try reader.finish(queue)
    case .hex(var reader, var conversation):
      let output = output
      try reader.finish(at: queue.offset) { Self.take($0, $1, &conversation, output) }
      self.reader = .hex(reader, conversation)
    case .har(var reader, var conversation): try reader.finish { conversation.take($0) }
    }
  }

  // MARK: Files

  private func read(isLast: Bool) throws(CaptureError) {
    if case .undecided = reader { try choose(isLast: isLast) }
    // Out of its place while it reads, so that it is not copied.
    let current = reader
    reader = .finished
    switch current {
    case .undecided: reader = .undecided
    case .finished: break
    case .pcap(var pcap):
      try pcap.read(&queue) { take($0) }
      reader = .pcap(pcap)
    case .pcapng(var pcapng):
      try pcapng.read(&queue) { take($0) }
      reader = .pcapng(pcapng)
    case .hex(var hex, var conversation):
      let output = output
      defer { reader = .hex(hex, conversation) }
      try hex.read(&queue) { Self.take($0, $1, &conversation, output) }
    case .raw(let conversation):
      conversation.receive(queue.waiting, from: 0, at: nil)
      queue.skip(queue.count)
      reader = current
    case .har(var har, var conversation):
      defer { reader = .har(har, conversation) }
      try har.read(&queue) { conversation.take($0) }
    }
  }

  private func choose(isLast: Bool) throws(CaptureError) {
    if let wanted = output.options.format {
      format = wanted
    } else {
      format = try CaptureFormat(queue.waiting, isWhole: isLast)
    }
    guard let format else { return }
    switch format {
    case .pcap:
      guard queue.count >= 4 || isLast else { return }
      guard PcapReader.recognizes(queue.waiting) else {
        throw CaptureError(at: 0, "no pcap file: its magic is missing")
      }
      reader = .pcap(PcapReader())
    case .pcapng:
      guard queue.count >= 4 || isLast else { return }
      guard PcapngReader.recognizes(queue.waiting) else {
        throw CaptureError(at: 0, "no pcapng file: it begins with no section header")
      }
      reader = .pcapng(PcapngReader())
    case .hex: reader = .hex(HexDumpReader(), nil)
    case .raw: reader = .raw(Conversation(output, isOneSided: true))
    case .har:
      reader = .har(HARReader(maxMessageBytes: output.options.messageBytes), HARConversation(output))
    }
  }

  private func close() {
    switch reader {
    case .hex(_, let conversation): conversation?.close(.captureEnded, TransportSummary(), at: nil)
    case .raw(let conversation): conversation.close(.captureEnded, TransportSummary(), at: nil)
    case .undecided, .pcap, .pcapng, .har, .finished: break
    }
    guard !isClosed else { return }
    isClosed = true
    reader = .finished
    table.finish()
    reportCapture()
  }

  private var isClosed = false

  private static func take(
    _ direction: Direction?,
    _ bytes: ArraySlice<UInt8>,
    _ conversation: inout Conversation?,
    _ output: InspectionOutput
  ) {
    let current = conversation ?? Conversation(output, isOneSided: direction == nil)
    conversation = current
    current.receive(bytes, from: direction == .fromServer ? 1 : 0, at: nil)
  }

  // MARK: Packets

  private func take(_ packet: Packet) {
    packets += 1
    switch LinkLayer.content(of: packet) {
    case .other: return
    case .unknownLink: unknownLinks.insert(packet.link.rawValue)
    case .ip(let bytes):
      switch IPContent(bytes) {
      case .other: return
      case .fragment: fragments += 1
      case .tcp(let segment):
        segments += 1
        table.receive(segment, at: packet.time)
      }
    }
  }

  /// What the capture as a whole doesn't show.
  private func reportCapture() {
    for link in unknownLinks.sorted().prefix(8) {
      report("unknown-link", "packets of the link type \(link), which is not read here")
    }
    if fragments > 0 {
      report("ip-fragments", "\(fragments) fragments of IP packets, which are not put together")
    }
    if packets > 0, segments == 0 { report("no-tcp", "\(packets) packets, and no TCP among them") }
  }

  private func report(_ rule: String, _ message: String) {
    output.send(
      Observation(connection: 0, direction: nil, time: nil, content: .finding(.note(rule, at: 0, message)))
    )
  }
}
