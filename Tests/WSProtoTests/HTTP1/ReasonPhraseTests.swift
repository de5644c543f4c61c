// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct ReasonPhraseTests {
  @Test("registered codes have their phrase, others have none (RFC 9110 §15)")
  func phrases() {
    let some = [
      101: "Switching Protocols", 200: "OK", 400: "Bad Request", 403: "Forbidden", 426: "Upgrade Required",
    ]
    for (code, phrase) in some { #expect(reasonPhrase(forStatus: code).description == phrase) }
    for code in [0, 99, 299, 418, 599, -1] { #expect(reasonPhrase(forStatus: code).description == "") }
  }
}
