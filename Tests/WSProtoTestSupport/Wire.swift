// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// How a frame's header encodes the length of the payload (RFC 6455 §5.2).
package enum LengthForm: Sendable, Hashable, CaseIterable {
  case shortest, sevenBits, sixteenBits, sixtyFourBits
}

/// A frame as bytes, in any form, including illegal ones.
package struct WireFrame: Sendable, Hashable {
  package var fin = true
  /// RSV1 in bit 2, RSV2 in bit 1, RSV3 in bit 0.
  package var rsv: UInt8 = 0
  package var opcode: UInt8
  package var payload: [UInt8]
  /// Four bytes, or `nil` for an unmasked frame.
  package var mask: [UInt8]?
  package var form = LengthForm.shortest
  /// The length in the header, if it differs from that of the payload.
  package var declaredLength: UInt64?

  package init(
    _ opcode: UInt8,
    _ payload: [UInt8] = [],
    fin: Bool = true,
    rsv: UInt8 = 0,
    mask: [UInt8]? = nil,
    form: LengthForm = .shortest,
    declaredLength: UInt64? = nil
  ) {
    self.opcode = opcode
    self.payload = payload
    self.fin = fin
    self.rsv = rsv
    self.mask = mask
    self.form = form
    self.declaredLength = declaredLength
  }

  /// A frame that `receiver` accepts: masked for a server.
  package init(
    to receiver: ConnectionType,
    _ opcode: UInt8,
    _ payload: [UInt8] = [],
    fin: Bool = true,
    rsv: UInt8 = 0,
    form: LengthForm = .shortest,
    declaredLength: UInt64? = nil
  ) {
    self.init(
      opcode,
      payload,
      fin: fin,
      rsv: rsv,
      mask: receiver == .server ? Self.someMask : nil,
      form: form,
      declaredLength: declaredLength
    )
  }

  package static let someMask: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]

  /// The header alone.
  package var header: [UInt8] {
    let length = declaredLength ?? UInt64(payload.count)
    let maskBit: UInt8 = mask == nil ? 0 : 0x80
    var bytes: [UInt8] = [(fin ? 0x80 : 0) | (rsv & 7) << 4 | (opcode & 15)]
    var used = form
    if used == .shortest {
      used = length <= 125 ? .sevenBits : length <= 65535 ? .sixteenBits : .sixtyFourBits
    }
    switch used {
    case .shortest, .sevenBits: bytes.append(maskBit | UInt8(truncatingIfNeeded: length & 0x7f))
    case .sixteenBits:
      bytes.append(maskBit | 126)
      for shift in [8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(shift))) }
    case .sixtyFourBits:
      bytes.append(maskBit | 127)
      for shift in [56, 48, 40, 32, 24, 16, 8, 0] {
        bytes.append(UInt8(truncatingIfNeeded: length >> UInt64(shift)))
      }
    }
    return bytes + (mask ?? [])
  }

  /// Header and payload.
  package var bytes: [UInt8] {
    guard let mask else { return header + payload }
    var masked: [UInt8] = []
    for (index, byte) in payload.enumerated() { masked.append(byte ^ mask[index % 4]) }
    return header + masked
  }
}

/// The opcodes as numbers.
package enum WireOpcode {
  package static let continuation: UInt8 = 0
  package static let text: UInt8 = 1
  package static let binary: UInt8 = 2
  package static let close: UInt8 = 8
  package static let ping: UInt8 = 9
  package static let pong: UInt8 = 10
}

extension ConnectionType {
  /// The other end.
  package var peer: ConnectionType { self == .client ? .server : .client }
}

/// The payload of a Close frame.
package func closePayload(_ code: UInt16, _ reason: String = "") -> [UInt8] {
  [UInt8(truncatingIfNeeded: code >> 8), UInt8(truncatingIfNeeded: code)] + Array(reason.utf8)
}
