// SPDX-License-Identifier: Apache-2.0

/// What is sent.
package struct SendStep: Sendable {
  package enum Content: Sendable {
    case text(Payload)
    case binary(Payload)
    case json(JSONTemplate)
    case ping(Payload)
    case pong(Payload)
    case close(ClosePayloadStep)
    /// A frame that may break any rule.
    case frame(FrameStep)
    /// Bytes behind the handshake, which need not be frames.
    case raw(Payload)
  }

  package var content: Content
  /// The number of frames of a message.
  package var frames = 1
}

/// Bytes with variables, repeated.
package struct Payload: Sendable {
  package var template: Template
  package var count = 1

  /// The most bytes of one payload.
  package static let maxBytes = 64 << 20

  /// The bytes.
  package func bytes(_ variables: ScenarioVariables) throws(ScenarioFailure) -> [UInt8] {
    let once = try template.bytes(variables)
    guard count > 1 else { return once }
    let (size, overflow) = once.count.multipliedReportingOverflow(by: count)
    guard !overflow, size <= Self.maxBytes else {
      throw ScenarioFailure("\(once.count) bytes, \(count) times, are more than \(Self.maxBytes) bytes")
    }
    var all: [UInt8] = []
    all.reserveCapacity(size)
    for _ in 0..<count { all += once }
    return all
  }
}

/// A frame, bit by bit (RFC 6455 §5.2).
package struct FrameStep: Sendable {
  package enum Masking: Sendable {
    /// As the sender's role demands it.
    case legal
    case none
    /// With this key, the first byte on the wire first.
    case key([UInt8])
  }

  package var fin = true
  /// The reserved bits, RSV1 highest.
  package var rsv: UInt8 = 0
  package var opcode: UInt8
  package var masking = Masking.legal
  /// The length that the header declares; `nil` for the payload's.
  package var declaredLength: UInt64?
  /// The bytes that the length takes; `nil` for the shortest form.
  package var lengthForm: LengthForm?
  package var payload = Payload(template: Template())

  /// The forms of a length.
  package enum LengthForm: Int, Sendable {
    case sevenBits = 7
    case sixteenBits = 16
    case sixtyFourBits = 64
  }

  /// The bytes on the wire. A mask of zeros, which is legal, leaves a payload readable.
  package func bytes(sentByClient: Bool, _ variables: ScenarioVariables) throws(ScenarioFailure) -> [UInt8] {
    var payload = try payload.bytes(variables)
    let length = declaredLength ?? UInt64(payload.count)
    let key: [UInt8]? =
      switch masking {
      case .legal: sentByClient ? [0, 0, 0, 0] : nil
      case .none: nil
      case .key(let key): key
      }
    var bytes: [UInt8] = [(fin ? 0x80 : 0) | (rsv & 7) << 4 | (opcode & 15)]
    let maskBit: UInt8 = key == nil ? 0 : 0x80
    switch lengthForm ?? Self.shortest(length) {
    case .sevenBits:
      guard length <= 125 else {
        throw ScenarioFailure("a length of \(length) does not fit seven bits: 125 is the most")
      }
      bytes.append(maskBit | UInt8(truncatingIfNeeded: length))
    case .sixteenBits:
      guard length <= 65535 else {
        throw ScenarioFailure("a length of \(length) does not fit 16 bits: 65535 is the most")
      }
      bytes.append(maskBit | 126)
      for shift in [8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(shift))) }
    case .sixtyFourBits:
      bytes.append(maskBit | 127)
      for shift in stride(from: 56, through: 0, by: -8) {
        bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(shift)))
      }
    }
    guard let key else { return bytes + payload }
    for index in payload.indices { payload[index] ^= key[index % key.count] }
    return bytes + key + payload
  }

  private static func shortest(_ length: UInt64) -> LengthForm {
    switch length {
    case 0...125: .sevenBits
    case 126...65535: .sixteenBits
    default: .sixtyFourBits
    }
  }
}
