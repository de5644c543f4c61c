// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A frame as it is on the wire, legal or not.
struct PassingFrame: Equatable {
  /// The parsed header.
  private(set) var head: FrameHead
  /// The header's bytes, legal or not.
  var header: [UInt8]
  /// The payload as on the wire, masked if there is a key.
  var payload: [UInt8] = []

  /// A frame whose header has been read.
  init(_ head: FrameHead, header: [UInt8]) {
    self.head = head
    self.header = header
  }

  /// A new frame, with the length in its shortest form (RFC 6455 §5.2).
  ///
  /// - Parameters:
  ///   - plain: the payload without its mask.
  ///   - key: the masking key, with its first byte lowest; `nil` for an unmasked frame.
  init(fin: Bool = true, rsv: RsvBits = [], opcode: UInt8, plain: some Collection<UInt8>, key: UInt32?) {
    let length = UInt64(plain.count)
    header = FrameHead.bytes(fin: fin, rsv: rsv.rawValue, opcode: opcode, length: length, key: key)
    payload = FrameHead.masked(plain, key: key ?? 0)
    head = FrameHead(fin: fin, rsv: rsv, opcode: opcode, maskingKey: key, size: header.count, payload.count)
  }

  /// All of it.
  var bytes: [UInt8] { header + payload }

  var count: Int { header.count + payload.count }

  /// The payload without its mask.
  var plain: [UInt8] { FrameHead.masked(payload, key: head.maskingKey ?? 0) }
}

extension FrameHead {
  fileprivate init(
    fin: Bool,
    rsv: RsvBits,
    opcode: UInt8,
    maskingKey: UInt32?,
    size: Int,
    _ payloadLength: Int
  ) {
    self.fin = fin
    self.rsv = rsv
    self.opcode = opcode
    self.maskingKey = maskingKey
    self.size = size
    self.payloadLength = UInt64(payloadLength)
  }
}
