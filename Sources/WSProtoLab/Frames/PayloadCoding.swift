// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What the extensions do to the frames of one direction, as far as it is known.
enum PayloadCoding {
  /// No extension.
  case plain
  /// permessage-deflate, from its first message on.
  case deflate(PerMessageDeflate)
  /// permessage-deflate if anything, with a history that isn't known: a connection that began before the capture, or one
  /// in which bytes are missing.
  case unknownHistory
  /// An extension that is not known here: payloads are shown as they are, and reserved bits are not judged.
  case unknownExtension

  /// Whether RSV1 marks compressed messages.
  var isDeflate: Bool {
    switch self {
    case .deflate, .unknownHistory: true
    case .plain, .unknownExtension: false
    }
  }

  /// The same, after bytes were lost.
  var afterLoss: PayloadCoding {
    if case .deflate = self { .unknownHistory } else { self }
  }

  /// The extensions to decode with.
  func extensions(_ recovery: RecoveredDeflate?) -> [any Extension] {
    switch self {
    case .plain: []
    case .deflate(let deflate): [deflate]
    case .unknownHistory: recovery.map { [$0] } ?? []
    case .unknownExtension: [UnknownExtension()]
    }
  }
}

/// Stands for extensions that aren't known here: gives every reserved bit a meaning, and changes nothing.
struct UnknownExtension: Extension {
  var name: String { "unknown" }

  func enabled() -> Bool { true }

  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits { rsv }
}
