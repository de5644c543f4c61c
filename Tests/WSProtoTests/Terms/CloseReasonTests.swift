// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct CloseReasonTests {
  static let named: [(CloseReason, UInt16)] = [
    (.normalClosure, 1000), (.goingAway, 1001), (.protocolError, 1002), (.unsupportedData, 1003),
    (.noStatusRcvd, 1005), (.abnormalClosure, 1006), (.invalidFramePayloadData, 1007),
    (.policyViolation, 1008),
    (.messageTooBig, 1009), (.mandatoryExt, 1010), (.internalError, 1011), (.serviceRestart, 1012),
    (.tryAgainLater, 1013), (.badGateway, 1014), (.tlsHandshakeFailed, 1015),
  ]

  @Test("the names stand for the numbers of RFC 6455 §7.4.1 and the IANA registry", arguments: named)
  func names(reason: CloseReason, number: UInt16) {
    #expect(reason.rawValue == number)
    #expect(reason == CloseReason(rawValue: number))
    #expect(reason.description == String(number))
  }

  @Test("every one of the 65,536 codes is legal in a Close, local, or neither")
  func ranges() {
    for number in UInt16.min...UInt16.max {
      let code = CloseReason(number)
      let isLegal = ClosePayloadTests.isLegal(Int(number))
      let isLocal = [1005, 1006, 1015].contains(number)
      if code.isReceivable != isLegal || code.isSendable != isLegal || code.isLocalOnly != isLocal {
        Issue.record("\(number)")
      }
    }
  }

  @Test("an integer literal can be used as a reason")
  func literal() {
    let code: CloseReason = 4001
    #expect(code.rawValue == 4001)
    #expect(code.isSendable)
  }
}
