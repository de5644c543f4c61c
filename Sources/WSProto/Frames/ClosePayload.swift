// SPDX-License-Identifier: Apache-2.0

/// The payload of a Close frame (RFC 6455 §5.5.1, §7.4).
package enum ClosePayload {
  /// The code of a received payload; 1005 if the payload is empty. The reason follows the first two bytes.
  package static func parse(_ payload: UnsafeRawBufferPointer) throws(ParseFailed) -> CloseReason {
    guard payload.count > 0, let base = payload.baseAddress else { return .noStatusRcvd }
    guard payload.count >= 2 else { throw ParseFailed("a close frame with a payload of 1 byte") }
    let code = CloseReason(UInt16(bigEndian: base.loadUnaligned(as: UInt16.self)))
    guard code.isReceivable else { throw ParseFailed("a close frame with the invalid code \(code)") }
    var validator = UTF8Validator()
    // In bounds: count >= 2.
    if validator.validate(base + 2, count: payload.count - 2) != nil || !validator.isComplete {
      throw ParseFailed("the reason of a close frame is not UTF-8", .invalidFramePayloadData)
    }
    return code
  }

  /// The payload to send: at most 125 bytes; the reason is cut between characters.
  static func make(code: CloseReason?, reason: String?) throws(LocalProtocolError) -> [UInt8] {
    guard let code, code != .noStatusRcvd else {
      if let reason, !reason.isEmpty {
        throw LocalProtocolError("a close reason needs a close code", .closeCode)
      }
      return []
    }
    // 1006 and 1015 have only a local meaning; a normal closure is sent instead.
    let sent = code.isLocalOnly ? .normalClosure : code
    guard sent.isSendable else {
      throw LocalProtocolError("\(code) is not a legal close code", .closeCode)
    }
    var payload = [UInt8(truncatingIfNeeded: sent.rawValue >> 8), UInt8(truncatingIfNeeded: sent.rawValue)]
    if let reason {
      var room = FrameSizes.maxCloseReason
      for character in reason.unicodeScalars {
        let encoded = UTF8.width(character)
        if encoded > room { break }
        room -= encoded
        payload.append(contentsOf: UTF8.encode(character) ?? .init())
      }
    }
    return payload
  }
}
