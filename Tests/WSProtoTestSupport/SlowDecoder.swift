// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// A slow and simple decoder: one byte at a time, arrays only, written from RFC 6455 and RFC 7692. It shares
/// no code with the library except the public values (and zlib, through ``InflateStream``, for
/// permessage-deflate).
package struct SlowDecoder {
  private struct Failure: Error {
    var code: UInt16
  }

  private let role: ConnectionType
  private let limits: Limits
  private let inflater: InflateStream?
  private let resetsInflater: Bool

  private var collector = OutcomeCollector(wholeMessages: false)
  private var ended = false

  private var header: [UInt8] = []
  private var inPayload = false
  private var fin = false
  private var opcode: UInt8 = 0
  private var mask: [UInt8] = []
  private var length: UInt64 = 0
  private var taken: UInt64 = 0
  private var control: [UInt8] = []

  /// 1 or 2 inside a message.
  private var messageOpcode: UInt8?
  private var isCompressed = false
  private var fragments = 0
  private var wireBytes: UInt64 = 0
  private var messageBytes = 0
  private var unfinishedCharacter: [UInt8] = []

  /// - Parameter inflater: for a connection with permessage-deflate.
  package init(
    _ role: ConnectionType,
    limits: Limits = Limits(),
    inflater: InflateStream? = nil,
    resetsInflater: Bool = false
  ) {
    self.role = role
    self.limits = limits
    self.inflater = inflater
    self.resetsInflater = resetsInflater
  }

  /// The outcome of a stream.
  package mutating func run(_ stream: [UInt8]) -> Outcome {
    for byte in stream where !ended {
      do {
        try take(byte)
      } catch {
        ended = true
        collector.end((error as? Failure)?.code ?? 0, nil)
      }
    }
    return collector.finished
  }

  private mutating func take(_ byte: UInt8) throws {
    if inPayload {
      let plain = mask.isEmpty ? byte : byte ^ mask[Int(taken % 4)]
      taken += 1
      if opcode >= 8 { control.append(plain) } else { try takeData(plain) }
    } else {
      header.append(byte)
      guard try headerIsComplete() else { return }
      try beginFrame()
    }
    if taken == length { try endFrame() }
  }

  // MARK: The header, §5.2

  private mutating func headerIsComplete() throws -> Bool {
    guard header.count >= 2 else { return false }
    fin = header[0] >= 128
    opcode = header[0] % 16
    guard [0, 1, 2, 8, 9, 10].contains(opcode) else { throw Failure(code: 1002) }
    if opcode >= 8, !fin { throw Failure(code: 1002) }
    let isMasked = header[1] >= 128
    // §5.1: a server takes masked frames only, a client unmasked ones.
    if isMasked != (role == .server) { throw Failure(code: 1002) }
    let short = header[1] % 128
    if opcode >= 8, short > 125 { throw Failure(code: 1002) }
    var lengthBytes = 0
    if short == 126 { lengthBytes = 2 }
    if short == 127 { lengthBytes = 8 }
    guard header.count >= 2 + lengthBytes else { return false }
    length = UInt64(short)
    if lengthBytes > 0 {
      length = 0
      for byte in header[2..<(2 + lengthBytes)] { length = length * 256 + UInt64(byte) }
      // The shortest form is required, and the highest bit must be zero.
      if lengthBytes == 2, length < 126 { throw Failure(code: 1002) }
      if lengthBytes == 8, length < 65536 || header[2] >= 128 { throw Failure(code: 1002) }
    }
    let size = 2 + lengthBytes + (isMasked ? 4 : 0)
    guard header.count == size else { return false }
    mask = isMasked ? Array(header.suffix(4)) : []
    return true
  }

  private mutating func beginFrame() throws {
    let headerSize = header.count
    let rsv = header[0] / 16 % 8
    inPayload = true
    taken = 0
    control = []
    // RFC 7692 §6: RSV1 on the first frame of a message, where the extension was negotiated.
    let mayCompress = inflater != nil && (opcode == 1 || opcode == 2)
    if rsv != 0, !(rsv == 4 && mayCompress) { throw Failure(code: 1002) }
    if opcode >= 8 { return }
    if length > UInt64(limits.maxFramePayload) { throw Failure(code: 1009) }
    if opcode == 0 {
      if messageOpcode == nil { throw Failure(code: 1002) }
      wireBytes += UInt64(headerSize)
      fragments += 1
    } else {
      if messageOpcode != nil { throw Failure(code: 1002) }
      messageOpcode = opcode
      isCompressed = rsv == 4
      fragments = 1
      wireBytes = 0
      messageBytes = 0
      unfinishedCharacter = []
    }
    if fragments > limits.maxMessageFragments { throw Failure(code: 1008) }
    wireBytes += length
    if wireBytes > UInt64(limits.maxMessageWireBytes) { throw Failure(code: 1009) }
    if !isCompressed, length > UInt64(limits.maxMessageBytes - messageBytes) { throw Failure(code: 1009) }
  }

  private mutating func endFrame() throws {
    inPayload = false
    header = []
    switch opcode {
    case 9: collector.control(.ping(control))
    case 10: collector.control(.pong(control))
    case 8: try endConnection()
    default: if fin { try endMessage() }
    }
  }

  // MARK: Close, §5.5.1 and §7.4

  private mutating func endConnection() throws {
    if control.isEmpty {
      collector.end(1005, nil)
    } else {
      guard control.count >= 2 else { throw Failure(code: 1002) }
      let code = UInt16(control[0]) * 256 + UInt16(control[1])
      let isLegal =
        (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999)
      guard isLegal else { throw Failure(code: 1002) }
      guard let reason = String(validating: control.dropFirst(2), as: UTF8.self) else {
        throw Failure(code: 1007)
      }
      collector.end(code, reason)
    }
    ended = true
  }

  // MARK: Messages, §5.4 and §5.6

  private mutating func takeData(_ byte: UInt8) throws {
    guard isCompressed, let inflater else { return try deliver(byte) }
    var output = AssemblyBuffer()
    var failure: Failure?
    let budget = min(limits.maxMessageBytes - messageBytes, .max - 1)
    do {
      let input = [byte]
      try input.withUnsafeBytes {
        var rest = $0
        repeat {
          try inflater.inflate(&rest, into: &output, atMost: budget + 1 - output.count)
        } while output.count <= budget && (!rest.isEmpty || inflater.mayHaveMore)
      }
    } catch {
      failure = Failure(code: 1007)
    }
    if output.count > budget {
      output.removeLast(1)
      failure = Failure(code: 1009)
    }
    for byte in output.take() { try deliver(byte) }
    if let failure { throw failure }
  }

  private mutating func deliver(_ byte: UInt8) throws {
    messageBytes += 1
    guard messageOpcode == 1 else {
      collector.message(text: false, [byte], frameFinished: false, messageFinished: false)
      return
    }
    unfinishedCharacter.append(byte)
    guard let isWhole = Self.isWholeCharacter(unfinishedCharacter) else { throw Failure(code: 1007) }
    guard isWhole else { return }
    collector.message(text: true, unfinishedCharacter, frameFinished: false, messageFinished: false)
    unfinishedCharacter = []
  }

  private mutating func endMessage() throws {
    if isCompressed, let inflater {
      do {
        try inflater.finishMessage()
      } catch {
        throw Failure(code: 1007)
      }
      if resetsInflater { inflater.reset() }
    }
    if !unfinishedCharacter.isEmpty { throw Failure(code: 1007) }
    collector.message(text: messageOpcode == 1, [], frameFinished: true, messageFinished: true)
    messageOpcode = nil
  }

  /// Table 3-7 of the Unicode standard: `true` for a character, `false` for the beginning of one, `nil` for neither.
  private static func isWholeCharacter(_ bytes: [UInt8]) -> Bool? {
    let lead = bytes[0]
    var size = 0
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0x00...0x7F: size = 1
    case 0xC2...0xDF: size = 2
    case 0xE0:
      size = 3
      second = 0xA0...0xBF
    case 0xE1...0xEC, 0xEE, 0xEF: size = 3
    case 0xED:
      size = 3
      second = 0x80...0x9F
    case 0xF0:
      size = 4
      second = 0x90...0xBF
    case 0xF1...0xF3: size = 4
    case 0xF4:
      size = 4
      second = 0x80...0x8F
    default: return nil
    }
    if bytes.count > 1, !second.contains(bytes[1]) { return nil }
    for byte in bytes.dropFirst(2) where byte < 0x80 || byte > 0xBF { return nil }
    return bytes.count == size
  }
}
