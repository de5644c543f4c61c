// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

@testable import WSProto

@Suite struct CommonFieldNamesTests {
  @Test(
    "names are found only in their exact spelling; other names are not found",
    arguments: ["User-Agent", "Cookie", "Origin", "Host", "Accept", "X-Nothing", "", "user-agent", "COOKIE"]
  )
  func names(spelling: String) {
    let bytes = Array(spelling.utf8)
    let found = CommonFieldNames.name(spelled: bytes.span, 0..<bytes.count)
    if let found { #expect(found.rawName == spelling) }
    if spelling == "X-Nothing" || spelling.isEmpty { #expect(found == nil) }
  }

  @Test("some of the usual names are found")
  func someFound() {
    let usual = ["User-Agent", "Cookie", "Origin", "Host", "Accept-Language", "Cache-Control"]
    let found = usual.filter { CommonFieldNames.name(spelled: Array($0.utf8).span, 0..<$0.utf8.count) != nil }
    #expect(found.count >= 3)
  }
}
