// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

/// Frames that Autobahn's peer never sends, or sends only in a few forms.
@Suite struct ReceivedFramesTests {
  static func closeCode(_ role: ConnectionType, _ wire: [UInt8]) throws -> CloseReason? {
    let connection = Connection(role)
    try connection.receiveData(wire)
    guard case .closeConnection(let close) = Array(connection.events()).last else { return nil }
    return close.code
  }

  @Test(
    "a masked frame for a client, or an unmasked one for a server, closes the connection with 1002 (RFC 6455 §5.1)",
    .threat(14),
    .requirement("6455-5.1-server-refuses", "6455-5.1-client-refuses"),
    arguments: ConnectionType.allCases,
    Opcode.allCases
  )
  func masks(role: ConnectionType, opcode: Opcode) throws {
    let start = opcode == .continuation ? WireFrame(to: role, 1, [], fin: false).bytes : []
    #expect(
      try Self.closeCode(role, start + WireFrame(to: role.peer, opcode.rawValue).bytes) == .protocolError
    )
    let right = try Self.closeCode(role, start + WireFrame(to: role, opcode.rawValue).bytes)
    #expect(right == (opcode == .close ? .noStatusRcvd : nil))
  }

  @Test(
    "each of the 65,662 lengths with a shorter form is refused in the longer form (RFC 6455 §5.2)",
    .threat(4),
    .requirement("6455-5.2-minimal-receive"),
    arguments: ConnectionType.allCases
  )
  func everyLongForm(role: ConnectionType) {
    let maskBit: UInt8 = role == .server ? 0x80 : 0
    var header: [UInt8] = []
    /// Whether the header causes a failure; `nil` if more of it is needed.
    func isRefused() -> Bool? {
      var reader = FrameReader(role: role)
      return header.withUnsafeMutableBytes { window -> Bool? in
        guard let base = window.baseAddress else { return nil }
        var position = 0
        do throws(ParseFailed) {
          return try reader.readHeader(base, &position, window.count) != nil ? false : nil
        } catch {
          return error.code == .protocolError
        }
      }
    }
    var taken: [Int] = []
    var refused: [Int] = []
    let key: [UInt8] = role == .server ? [1, 2, 3, 4] : []
    header = [0x82, maskBit | 126, 0, 0] + key
    for length in 0...65535 {
      header[2] = UInt8(length >> 8)
      header[3] = UInt8(length & 0xFF)
      if length <= 125, isRefused() != true { taken.append(length) }
      if length > 125, isRefused() != false { refused.append(length) }
    }
    #expect(taken.isEmpty && refused.isEmpty, "16 bits: \(taken.prefix(9)), \(refused.prefix(9))")
    header = [0x82, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 0] + key
    for length in 0...65535 {
      header[8] = UInt8(length >> 8)
      header[9] = UInt8(length & 0xFF)
      if isRefused() != true { taken.append(length) }
    }
    #expect(taken.isEmpty, "64 bits: \(taken.prefix(9))")
    header[7] = 1
    header[8] = 0
    header[9] = 0
    #expect(isRefused() == false, "65,536 needs the long form")
  }

  @Test(
    "a length in a longer form closes the connection with 1002, before its payload arrives (RFC 6455 §5.2)",
    .threat(4, 5),
    .requirement("6455-5.2-minimal-receive", "6455-5.2-msb"),
    arguments: ConnectionType.allCases,
    [
      (LengthForm.sixteenBits, 0), (.sixteenBits, 125), (.sixtyFourBits, 0), (.sixtyFourBits, 125),
      (.sixtyFourBits, 126), (.sixtyFourBits, 65535), (.sixtyFourBits, 1 << 63),
    ] as [(LengthForm, UInt64)]
  )
  func longForms(role: ConnectionType, length: (LengthForm, UInt64)) throws {
    for opcode: UInt8 in [1, 2] {
      let frame = WireFrame(to: role, opcode, form: length.0, declaredLength: length.1)
      #expect(try Self.closeCode(role, frame.header) == .protocolError)
    }
  }

  @Test(
    "an unsolicited pong is an event, changes no state and needs no answer (RFC 6455 §5.5.3)",
    .requirement("6455-5.5.3-unsolicited"),
    arguments: ConnectionType.allCases
  )
  func unsolicitedPong(role: ConnectionType) throws {
    let connection = Connection(role)
    try connection.receiveData(WireFrame(to: role, 10, [1, 2]).bytes + WireFrame(to: role, 10).bytes)
    #expect(Array(connection.events()) == [.pong(Pong(payload: [1, 2])), .pong(Pong())])
    #expect(connection.state == .open)
    _ = try connection.send(CloseConnection(code: 1000))
    try connection.receiveData(WireFrame(to: role, 10, [3]).bytes)
    #expect(Array(connection.events()) == [.pong(Pong(payload: [3]))])
    #expect(connection.state == .localClosing)
  }

  @Test(
    "a binary message may contain any bytes, even those that are not UTF-8 (RFC 6455 §5.6)",
    .requirement("6455-5.6-binary", "6455-6.2-unmask"),
    arguments: ConnectionType.allCases
  )
  func anyBytes(role: ConnectionType) throws {
    let all = Array(UInt8.min...UInt8.max)
    let connection = Connection(role)
    try connection.receiveData(
      WireFrame(to: role, 2, all).bytes + WireFrame(to: role, 2, [0xFF, 0xC0]).bytes
    )
    #expect(
      Array(connection.events())
        == [.bytesMessage(BytesMessage(data: Bytes(all))), .bytesMessage(BytesMessage(data: [0xFF, 0xC0]))]
    )
  }
}
