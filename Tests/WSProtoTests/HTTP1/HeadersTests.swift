// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto

@Suite struct HeadersTests {
  @Test("normedHeaderDict lowers names and joins repeated fields in order (RFC 9110 §5.3)")
  func normed() throws {
    var headers: Headers = [.origin: "a", .secWebSocketProtocol: "x"]
    headers.append(HTTPField(name: try #require(HTTPField.Name("SEC-websocket-Protocol")), value: "y, z"))
    #expect(normedHeaderDict(headers) == ["origin": "a", "sec-websocket-protocol": "x, y, z"])
    #expect(normedHeaderDict([:]) == [:])
  }

  @Test(
    "splitCommaHeader returns trimmed elements and doesn't split at quoted commas (RFC 9110 §5.6.1)",
    arguments: [
      ("", []), (" ", []), ("a", ["a"]), ("a,b", ["a", "b"]), (" a ,\tb\t", ["a", "b"]),
      (",a,, ,b,", ["a", "b"]), ("a;b=\"x,y\", c", ["a;b=\"x,y\"", "c"]),
      ("a;b=\"x\\\",y\",c", ["a;b=\"x\\\",y\"", "c"]), ("a;b=\"x,y", ["a;b=\"x,y"]),
      ("a\\,b", ["a\\", "b"]), ("é, ü", ["é", "ü"]),
    ] as [(String, [String])]
  )
  func split(value: String, pieces: [String]) {
    #expect(splitCommaHeader(value) == pieces)
  }
}
