// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProtoTestSupport

@testable import WSProto

@Suite struct ClosePayloadTests {
  static func parse(_ payload: [UInt8]) throws -> CloseReason {
    try payload.withUnsafeBytes { try ClosePayload.parse($0) }
  }

  /// RFC 6455 §7.4 and the IANA registry, written down independently of the library.
  static func isLegal(_ code: Int) -> Bool {
    [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].contains(code)
      || (code >= 3000 && code < 5000)
  }

  @Test(
    "RFC 6455 §7.4: of the codes 0...5000 exactly the legal ones can be received",
    .requirement("6455-7.4.1-local", "6455-7.4.1-defined", "6455-7.4.2-unused", "6455-7.4.2-private")
  )
  func received() {
    for code in 0...5000 {
      let payload = closePayload(UInt16(code), "why")
      if Self.isLegal(code) {
        #expect((try? Self.parse(payload)) == CloseReason(UInt16(code)), "\(code)")
      } else {
        let error = #expect(throws: ParseFailed.self) { try Self.parse(payload) }
        #expect(error?.code == .protocolError, "\(code)")
      }
    }
    for code: UInt16 in [5001, 9999, 32768, 65535] {
      #expect(throws: ParseFailed.self) { try Self.parse(closePayload(code)) }
    }
  }

  @Test(
    "RFC 6455 §7.4: of the codes 0...5000 the legal ones are sent, the local ones replaced, others refused",
    .requirement("6455-7.4.1-local", "6455-7.4.2-unused", "6455-7.4.2-private")
  )
  func sent() throws {
    for code in 0...5000 {
      let reason = CloseReason(UInt16(code))
      switch code {
      case 1005: #expect(try ClosePayload.make(code: reason, reason: nil) == [])
      case 1006, 1015: #expect(try ClosePayload.make(code: reason, reason: "x") == closePayload(1000, "x"))
      default:
        if Self.isLegal(code) {
          #expect(try ClosePayload.make(code: reason, reason: "x") == closePayload(UInt16(code), "x"))
        } else {
          let error = #expect(throws: LocalProtocolError.self) {
            try ClosePayload.make(code: reason, reason: nil)
          }
          #expect(error?.violation == .closeCode, "\(code)")
        }
      }
    }
  }

  @Test(
    "RFC 6455 §5.5.1: an empty payload is 1005, one byte is an error",
    .requirement("6455-7.1.5-1005", "6455-5.5.1-code")
  )
  func short() throws {
    #expect(try Self.parse([]) == .noStatusRcvd)
    for byte: UInt8 in [0, 3, 255] {
      let error = #expect(throws: ParseFailed.self) { try Self.parse([byte]) }
      #expect(error?.code == .protocolError)
    }
    #expect(try Self.parse([0x03, 0xE8]) == .normalClosure)
  }

  @Test(
    "RFC 6455 §5.5.1: a reason that is not UTF-8 is 1007",
    .requirement("6455-5.5.1-reason"),
    arguments: [[0xFF], [0xC3], [0x61, 0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80]] as [[UInt8]]
  )
  func reasonNotUTF8(reason: [UInt8]) {
    let error = #expect(throws: ParseFailed.self) { try Self.parse(closePayload(1000) + reason) }
    #expect(error?.code == .invalidFramePayloadData)
  }

  @Test("a reason without a code is refused; an empty one counts as none")
  func reasonWithoutCode() throws {
    for code in [nil, CloseReason.noStatusRcvd] {
      let error = #expect(throws: LocalProtocolError.self) { try ClosePayload.make(code: code, reason: "x") }
      #expect(error?.violation == .closeCode)
      #expect(try ClosePayload.make(code: code, reason: "") == [])
      #expect(try ClosePayload.make(code: code, reason: nil) == [])
    }
  }

  @Test(
    "reasons are cut to 123 bytes between characters (RFC 6455 §5.5)",
    .requirement("6455-5.5-length", "6455-5.5.1-reason"),
    arguments: ["a", "é", "€", "😎"],
    [119, 120, 121, 122, 123, 124, 125, 200]
  )
  func cut(character: String, count: Int) throws {
    let width = character.utf8.count
    // An offset of one byte, so that every character width is cut at every position.
    for lead in ["", "x", "xy", "xyz"] {
      let reason = lead + String(repeating: character, count: count / width)
      let payload = try ClosePayload.make(code: 1000, reason: reason)
      let sent = Array(payload.dropFirst(2))
      #expect(payload.count <= 125)
      let text = String(validating: sent, as: UTF8.self)
      #expect(text != nil)
      #expect(reason.utf8.starts(with: sent))
      let fits = reason.utf8.count <= 123
      #expect(fits ? text == reason : sent.count > 123 - width)
    }
  }
}
