// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct AcceptTokenTests {
  private func hex(_ message: [UInt8]) -> String {
    SHA1.digest(of: message).bytes
      .map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
      .joined()
  }

  private func isKey(_ key: some Sequence<UInt8>) -> Bool {
    let bytes = Array(key)
    return isWebSocketKey(bytes.span)
  }

  @Test("the sample key gives the sample token (RFC 6455 §1.3)", .requirement("6455-4.2.2-accept"))
  func sampleToken() {
    #expect(generateAcceptToken("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
  }

  @Test("a key of 24 bytes takes a faster path to the same token as the general hash (RFC 6455 §4.2.2)")
  func shortWayEqualsGeneralHash() {
    var random = TestRandom(seed: 11)
    for _ in 0..<500 {
      let key = (0..<24).map { _ in random.byte() }
      var token: [UInt8] = [0x3a]
      appendAcceptToken(key: key.span, to: &token)
      let slow = Base64.encode(
        SHA1.digest(of: key + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)).bytes
      )
      #expect(token == [0x3a] + slow)
    }
  }

  @Test("keys of other lengths are hashed unchanged (RFC 6455 §4.2.2)", arguments: [0, 1, 23, 25, 100])
  func otherLengths(count: Int) {
    let key = String(repeating: "k", count: count)
    let slow = Base64.encode(
      SHA1.digest(of: Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)).bytes
    )
    #expect(generateAcceptToken(key) == String(decoding: slow, as: UTF8.self))
  }

  @Test(
    "SHA-1 of the published messages (FIPS 180-4, RFC 3174 §7.3)",
    arguments: [
      ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
      ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
      ),
      (String(repeating: "01234567", count: 80), "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
    ]
  )
  func publishedVectors(message: String, digest: String) {
    #expect(hex(Array(message.utf8)) == digest)
  }

  @Test("SHA-1 of a million letters a (FIPS 180-4)")
  func million() {
    #expect(hex([UInt8](repeating: 0x61, count: 1_000_000)) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f")
  }

  @Test(
    "SHA-1 where the padding starts, fills or leaves a block (FIPS 180-4 §5.1.1)",
    arguments: [
      (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
      (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
      (57, "f08f24908d682555111be7ff6f004e78283d989a"),
      (63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"),
      (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
      (65, "11655326c708d70319be2610e8a57d9a5b959d3b"),
      (119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"),
      (120, "f34c1488385346a55709ba056ddd08280dd4c6d6"),
      (127, "89d95fa32ed44a7c610b7ee38517ddf57e0bb975"),
      (128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"),
    ]
  )
  func paddingBoundaries(count: Int, digest: String) {
    #expect(hex([UInt8](repeating: 0x61, count: count)) == digest)
  }

  @Test(
    "Base64 of the published vectors (RFC 4648 §10)",
    arguments: [
      ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
      ("foobar", "Zm9vYmFy"),
    ]
  )
  func base64Vectors(plain: String, encoded: String) {
    #expect(Base64.encode(plain.utf8) == Array(encoded.utf8))
  }

  @Test("Base64 has six bits of the input in each character, over all byte values (RFC 4648 §4)")
  func base64Characters() {
    var random = TestRandom(seed: 12)
    for count in 0..<200 {
      let bytes = (0..<count).map { _ in random.byte() }
      let encoded = Base64.encode(bytes)
      #expect(encoded.count == (count + 2) / 3 * 4)
      #expect(encoded.suffix(2).filter { $0 == 0x3D }.count == (3 - count % 3) % 3)
      // Read back bit by bit, with the alphabet written out.
      let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
      var bits: [Bool] = []
      for character in encoded where character != 0x3D {
        guard let six = alphabet.firstIndex(of: character) else {
          Issue.record("\(character) is not in the alphabet")
          return
        }
        #expect(Base64.value(character) == UInt8(six))
        for bit in 0..<6 { bits.append(six >> (5 - bit) & 1 == 1) }
      }
      var expected: [Bool] = []
      for byte in bytes {
        for bit in 0..<8 { expected.append(byte >> (7 - bit) & 1 == 1) }
      }
      #expect(Array(bits.prefix(expected.count)) == expected)
      #expect(!bits.dropFirst(expected.count).contains(true))
    }
  }

  @Test("a nonce is the Base64 of its 16 bytes (RFC 6455 §4.1)", .requirement("6455-4.1-key"))
  func nonce() {
    var bytes = InlineArray<16, UInt8>(repeating: 0)
    for (index, byte) in "the sample nonce".utf8.enumerated() { bytes[index] = byte }
    #expect(makeNonce(from: bytes) == "dGhlIHNhbXBsZSBub25jZQ==")
    #expect(isKey(makeNonce(from: bytes).utf8))
  }

  @Test(
    "a key that is not 16 bytes in Base64 is refused (RFC 6455 §4.2.1)",
    arguments: [
      "", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQ=a",
      "dGhlIHNhbXBsZSBub25jZQaa", "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25 ZQ==",
      "dGhlIHNhbXBsZSBub25-ZQ==", "=Ghl=HNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWE=",
    ]
  )
  func badKeys(key: String) {
    #expect(!isKey(key.utf8))
  }

  @Test("pad bits in a key are ignored (RFC 4648 §3.5)")
  func padBits() {
    #expect(isKey("dGhlIHNhbXBsZSBub25jZR==".utf8))
  }
}
