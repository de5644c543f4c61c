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
    /// With this key, the first byte on the wire lowest.
    case key(UInt32)
  }

  package var fin = true
  /// The reserved bits, RSV1 highest.
  package var rsv: UInt8 = 0
  package var opcode: UInt8
  package var masking = Masking.legal
  /// The length that the header declares; `nil` for the payload's.
  package var declaredLength: UInt64?
  /// The bytes that the length takes; `nil` for the shortest form.
  package var lengthForm: FrameLengthForm?
  package var payload = Payload(template: Template())

  /// The bytes on the wire. A mask of zeros, which is legal, leaves a payload readable.
  package func bytes(sentByClient: Bool, _ variables: ScenarioVariables) throws(ScenarioFailure) -> [UInt8] {
    let payload = try payload.bytes(variables)
    let length = declaredLength ?? UInt64(payload.count)
    let key: UInt32? =
      switch masking {
      case .legal: sentByClient ? 0 : nil
      case .none: nil
      case .key(let key): key
      }
    switch lengthForm {
    case .sevenBits? where length > 125:
      throw ScenarioFailure("a length of \(length) does not fit seven bits: 125 is the most")
    case .sixteenBits? where length > 65535:
      throw ScenarioFailure("a length of \(length) does not fit 16 bits: 65535 is the most")
    default: break
    }
    return FrameHead.bytes(fin: fin, rsv: rsv, opcode: opcode, length: length, form: lengthForm, key: key)
      + FrameHead.masked(payload, key: key ?? 0)
  }
}
