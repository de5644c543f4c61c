// SPDX-License-Identifier: Apache-2.0

/// The inbound half of permessage-deflate on one connection (RFC 7692 §7.2.2). Its context is made by the first
/// compressed message.
final class InboundDeflate {
  private let windowBits: Int
  private let resetsEachMessage: Bool
  private var stream: Inflater?

  /// Whether there is memory for it yet.
  var hasContext: Bool { stream != nil }

  init(windowBits: Int, noContextTakeover: Bool) {
    self.windowBits = windowBits
    resetsEachMessage = noContextTakeover
  }

  /// Appends at most `limit` bytes to `output`; what came out before an error stays there.
  func inflate(
    _ input: UnsafeRawBufferPointer,
    into output: inout [UInt8],
    limit: Int
  ) throws(InflateError) {
    try open().inflate(input, into: &output, limit: limit)
  }

  func finishMessage() throws(InflateError) {
    let stream = try open()
    try stream.finishMessage()
    if resetsEachMessage { stream.reset() }
  }

  private func open() throws(InflateError) -> Inflater {
    if let stream { return stream }
    let made = try Inflater(windowBits: windowBits)
    stream = made
    return made
  }
}

/// The outbound half of permessage-deflate on one connection (RFC 7692 §7.2.1). Its context is made by the first
/// message that is compressed.
final class OutboundDeflate {
  private let windowBits: Int
  private let level: Int
  private let memoryLevel: Int
  private let resetsEachMessage: Bool
  private var stream: Deflater?

  /// Whether there is memory for it yet.
  var hasContext: Bool { stream != nil }

  init(windowBits: Int, noContextTakeover: Bool, level: Int, memoryLevel: Int) {
    self.windowBits = windowBits
    self.level = level
    self.memoryLevel = memoryLevel
    resetsEachMessage = noContextTakeover
  }

  func compress(
    _ input: UnsafeRawBufferPointer,
    finished: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError) {
    do throws(DeflateError) {
      let stream = try open()
      try stream.compress(input, finishMessage: finished, into: &output)
      if finished, resetsEachMessage { stream.reset() }
    } catch {
      throw LocalProtocolError("the message cannot be compressed: \(error)", .extension)
    }
  }

  private func open() throws(DeflateError) -> Deflater {
    if let stream { return stream }
    let made = try Deflater(windowBits: windowBits, level: level, memoryLevel: memoryLevel)
    stream = made
    return made
  }
}
