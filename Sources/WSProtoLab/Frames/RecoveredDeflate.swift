// SPDX-License-Identifier: Apache-2.0

import WSProto

/// permessage-deflate without its history (RFC 7692 §7.2.2): what can be known of compressed messages when those before them
/// were not captured.
///
/// A message may copy from the 32 KiB before it. Two decompressors read the same messages, one with a history of zeros, one
/// with a history of ones: where their outputs differ, the byte came from what wasn't captured. It is given as `?`. After
/// 32 KiB of known output, nothing is unknown any more.
final class RecoveredDeflate: Extension, @unchecked Sendable {
  // Unchecked: it belongs to the decoder of one direction, which is no more `Sendable` than its other state.

  /// What the message that is under way at the beginning is.
  enum Beginning {
    case betweenMessages
    /// Its frames are given as they are.
    case insidePlain
    /// Its frames cannot be inflated any more: nothing is given.
    case insideCompressed
  }

  private enum Reading {
    case asItIs, inflating, skipping
  }

  private var reading: Reading
  private var twins: (zeros: Inflater, ones: Inflater)?
  private var unknown = Unknown()
  /// How many bytes were given since the last call of ``takeUnknown()``.
  private var given = 0

  init(_ beginning: Beginning) {
    reading = beginning == .insideCompressed ? .skipping : .asItIs
  }

  /// Which of the bytes given since the last call are unknown.
  func takeUnknown() -> Unknown {
    defer {
      unknown = Unknown()
      given = 0
    }
    return unknown
  }

  /// Bytes that cannot be known.
  struct Unknown {
    var count = 0
    /// The offset of the first of them; `nil` without any.
    var first: Int?
  }

  var name: String { PerMessageDeflate.name }

  func enabled() -> Bool { true }

  func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    switch opcode {
    case .text, .binary:
      reading = rsv.rsv1 ? .inflating : .asItIs
      return .rsv1
    case .continuation, .close, .ping, .pong: return []
    }
  }

  func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    switch context.opcode.isControl ? .asItIs : reading {
    case .asItIs: output += data
    case .skipping: break
    case .inflating:
      do throws(InflateError) {
        try inflate(data, into: &output)
      } catch {
        throw failed(error)
      }
    }
  }

  func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard fin, !context.opcode.isControl, reading == .inflating, let twins else { return }
    do throws(InflateError) {
      try twins.zeros.finishMessage()
      try twins.ones.finishMessage()
    } catch {
      throw failed(error)
    }
  }

  private func failed(_ error: InflateError) -> ParseFailed {
    reading = .skipping
    twins = nil
    return ParseFailed("compressed data that cannot be inflated", .invalidFramePayloadData)
  }

  private func inflate(_ data: [UInt8], into output: inout [UInt8]) throws(InflateError) {
    if self.twins == nil { self.twins = (try Self.primed(with: 0), try Self.primed(with: 0xFF)) }
    guard let twins = self.twins else { return }
    let (zeros, failure) = Self.run(twins.zeros, data)
    let (ones, _) = Self.run(twins.ones, data)
    if zeros == ones {
      output += zeros
    } else {
      output.reserveCapacity(output.count + zeros.count)
      for (index, (zero, one)) in zip(zeros, ones).enumerated() {
        output.append(zero == one ? zero : UInt8(ascii: "?"))
        guard zero != one else { continue }
        unknown.count += 1
        unknown.first = unknown.first ?? given + index
      }
    }
    given += zeros.count
    if let failure { throw failure }
  }

  /// What a decompressor makes of data, up to where it fails.
  private static func run(_ inflater: Inflater, _ data: [UInt8]) -> (Bytes, InflateError?) {
    var output = AssemblyBuffer()
    var failure: InflateError?
    data.span.bytes.withUnsafeBytes { bytes in
      var rest = bytes
      do throws(InflateError) {
        try inflater.inflate(&rest, into: &output, atMost: .max)
      } catch {
        failure = error
      }
    }
    return (output.take(), failure)
  }

  /// A decompressor whose whole window holds `fill`, from two stored blocks (RFC 1951 §3.2.4).
  private static func primed(with fill: UInt8) throws(InflateError) -> Inflater {
    let inflater = try Inflater(windowBits: 15)
    var blocks: [UInt8] = [0x00, 0xFF, 0x7F, 0x00, 0x80]
    blocks += [UInt8](repeating: fill, count: 0x7FFF)
    blocks += [0x00, 0x01, 0x00, 0xFE, 0xFF, fill]
    if let failure = run(inflater, blocks).1 { throw failure }
    return inflater
  }

  static func == (left: RecoveredDeflate, right: RecoveredDeflate) -> Bool { left === right }

  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
