// SPDX-License-Identifier: Apache-2.0

import WSProto

/// An extension that changes payloads, claims bits, holds bytes back and refuses, as an input tells it. What it gives
/// doesn't depend on how payloads are cut, which is what an extension must see to.
struct Meddler: Extension {
  enum Deed: UInt8, CaseIterable {
    case none, mask, double, holdBack, appendAtTheEnd, dropLast
  }

  enum Refusal: UInt8, CaseIterable {
    case nothing, header, byte, end, outbound
  }

  let name: String
  var deed: Deed
  var refusal: Refusal
  /// What is refused: a length, or a byte of the payload.
  var refused: UInt8
  /// Set on what is sent, claimed on what is received.
  var bits: RsvBits
  /// The bytes of the frame under way that are held back.
  private var held: [UInt8] = []

  /// - Parameter refuses: whether it may refuse anything.
  init(_ input: inout Input, number: Int, refuses: Bool) {
    name = "x-meddler-\(number)"
    let choice = input.byte()
    deed = Deed(rawValue: choice & 7) ?? .none
    refusal = refuses ? Refusal(rawValue: choice >> 3 & 7) ?? .nothing : .nothing
    refused = refusal == .nothing ? 0 : input.byte()
    // One that occurs, in half of the cases.
    if refused & 1 == 1 { refused = [0x61, 0, 1, 2, 0x80, 0xC3, 0xFF, 125][Int(refused >> 1) & 7] }
    bits = [[], .rsv2, .rsv3, []][Int(choice >> 6)]
  }

  func enabled() -> Bool { true }

  func offer() -> [ExtensionParameter]? { [] }

  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? { [] }

  /// Whether two ends with this deed give back what was sent.
  var isReversible: Bool { refusal == .nothing && (deed == .none || deed == .mask || deed == .holdBack) }

  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    held = []
    if refusal == .header, payloadLength == UInt64(refused) {
      throw ParseFailed("a length that the extension refuses", .policyViolation)
    }
    return bits
  }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard !context.opcode.isControl else {
      output += data
      return
    }
    for byte in data {
      if refusal == .byte, byte == refused {
        throw ParseFailed("a byte that the extension refuses", .unsupportedData)
      }
      switch deed {
      case .none, .appendAtTheEnd: output.append(byte)
      case .mask: output.append(byte ^ 0x55)
      case .double: output += [byte, byte]
      case .holdBack, .dropLast:
        held.append(byte)
        if held.count > 3 { output.append(held.removeFirst()) }
      }
    }
  }

  mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    defer { held = [] }
    guard !context.opcode.isControl else { return }
    if deed == .holdBack { output += held }
    if deed == .appendAtTheEnd { output.append(0x21) }
    if refusal == .end, fin { throw ParseFailed("an end that the extension refuses", .mandatoryExt) }
  }

  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    if refusal == .outbound, data.count == Int(refused) {
      throw LocalProtocolError("a payload that the extension refuses", .extension)
    }
    guard !opcode.isControl else { return (rsv, data) }
    return (rsv.union(bits), deed == .mask ? data.map { $0 ^ 0x55 } : data)
  }
}
