// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// Writes one input file, always the same one for the same options, and describes it on standard output.
@main
struct InputsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wsproto-bench-inputs",
    abstract: "Writes inputs for the benchmark programs: masked frames, or length-prefixed messages.",
    discussion: """
      frames    concatenated WebSocket frames, masked as a client sends them (or not, with --unmasked)
      messages  each message behind its length, 32 bits, big-endian
      """
  )

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case frames
    case messages
  }

  @Option(help: "What is written.")
  var format: Format = .frames

  @Option(help: "What the messages hold.")
  var kind: PayloadKind = .binary

  @Option(help: "Bytes of payload in a message.")
  var size: Int

  @Option(help: "Bytes to write at least, framing included.")
  var total: Int = 64 << 20

  @Option(help: "Frames that each message is split into.")
  var fragments: Int = 1

  @Flag(help: "Frames as a server sends them.")
  var unmasked = false

  @Option(help: "Seed of the generator.")
  var seed: UInt64 = 1

  @Option(help: "The file.")
  var output: String

  func validate() throws {
    guard size >= 0, size <= 1 << 30 else { throw ValidationError("--size is 0 to 2^30 bytes") }
    guard fragments >= 1 else { throw ValidationError("--fragments is at least 1") }
    guard format == .frames || fragments == 1 else {
      throw ValidationError("--fragments needs --format frames")
    }
  }

  func run() throws {
    let file = try OutputFile(path: output)
    var random = SplitMix64(state: seed)
    var payloads = PayloadSource(kind: kind, size: size, random: &random)
    var summary = Summary()
    var framer = Framer(masked: !unmasked, fragments: fragments)
    while summary.wireBytes < total || summary.messages == 0 {
      let payload = payloads.next(&random)
      summary.add(payload, opcode: kind.opcode)
      switch format {
      case .frames:
        summary.wireBytes += try framer.write(payload, opcode: kind.opcode, random: &random, to: file)
      case .messages:
        let length = UInt32(payload.count)
        try file.write([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) }[...])
        try file.write(payload)
        summary.wireBytes += 4 + payload.count
      }
    }
    try file.close()
    print(summary.json(kind: kind, size: size, fragments: fragments, format: format.rawValue))
  }
}

/// What a program that reads the file must find in it.
struct Summary {
  var messages = 0
  var payloadBytes = 0
  var wireBytes = 0
  var checksum: UInt64 = 0

  mutating func add(_ payload: ArraySlice<UInt8>, opcode: UInt8) {
    messages += 1
    payloadBytes += payload.count
    checksum &+= UInt64(payload.count) &* 31 &+ UInt64(opcode)
    checksum &+= UInt64(payload.first ?? 0) &+ UInt64(payload.last ?? 0)
  }

  func json(kind: PayloadKind, size: Int, fragments: Int, format: String) -> String {
    """
    {"format":"\(format)","kind":"\(kind.rawValue)","size":\(size),"fragments":\(fragments),\
    "messages":\(messages),"payload_bytes":\(payloadBytes),"bytes":\(wireBytes),"checksum":"\(checksum)"}
    """
  }
}
