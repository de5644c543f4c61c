// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct ParseFailedTests {
  @Test("a failure is 1002 by default, and its description is its message (RFC 6455 §7.4.1)")
  func values() {
    let plain = ParseFailed("a rule")
    #expect(plain.code == .protocolError)
    #expect("\(plain)" == "a rule")
    #expect(ParseFailed("big", .messageTooBig).code == 1009)
    #expect(plain != ParseFailed("a rule", .messageTooBig))
  }
}
