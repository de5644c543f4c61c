// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto

@Suite struct ExtensionsHandshakeTests {
  static func offers(_ text: String) throws -> [ExtensionHeader] { try ExtensionHeader.parseList(text) }

  @Test(
    "the first offer of a name that is accepted counts, in the order of the offers (RFC 7692 §5.1)",
    .requirement("7692-5.1-preference")
  )
  func order() throws {
    var supported: [any Extension] = [TaggingExtension()]
    let answer = try serverExtensionsHandshake(
      try Self.offers("other, x-tagging; by=3, x-tagging; by=1, x-tagging; by=1"),
      &supported
    )
    #expect(answer == "x-tagging")
    #expect(supported[0].enabled())
  }

  @Test("if nothing is accepted, no field is sent", .requirement("6455-4.2.2-extensions"))
  func nothing() throws {
    var supported: [any Extension] = [TaggingExtension()]
    #expect(try serverExtensionsHandshake([], &supported) == nil)
    #expect(try serverExtensionsHandshake(try Self.offers("y, z; a=1"), &supported) == nil)
    #expect(!supported[0].enabled())
    var none: [any Extension] = []
    #expect(try serverExtensionsHandshake(try Self.offers("x-tagging; by=1"), &none) == nil)
  }

  @Test(
    "a client accepts what it offered, once, with legal parameters (RFC 6455 §9.1)",
    .requirement("6455-4.1-bad-extension")
  )
  func client() throws {
    let inUse = try clientExtensionsHandshake(try Self.offers("x-tagging"), [TaggingExtension()])
    #expect(inUse.count == 1 && inUse[0].enabled())
    #expect(try clientExtensionsHandshake([], [TaggingExtension()]).isEmpty)
    for answer in ["y", "x-tagging, x-tagging", "x-tagging; p=1"] {
      #expect(throws: RemoteProtocolError.self) {
        try clientExtensionsHandshake(try Self.offers(answer), [TaggingExtension()])
      }
    }
  }
}
