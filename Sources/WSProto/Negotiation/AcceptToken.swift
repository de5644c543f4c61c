// SPDX-License-Identifier: Apache-2.0

/// The GUID that is appended to the key before hashing (RFC 6455 §1.3).
private let acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

/// The value of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2 item 5.4).
///
/// The key is hashed as it was sent, without being decoded. Whether it is legal is checked where the request
/// is read.
///
/// - Parameter key: the value of `Sec-WebSocket-Key`, 24 characters when legal.
/// - Returns: 28 characters of Base64.
public func generateAcceptToken(_ key: String) -> String {
  var token: [UInt8] = []
  var key = key
  key.withUTF8 { appendAcceptToken(key: $0.span, to: &token) }
  return String(decoding: token, as: UTF8.self)
}

/// Appends the 28 characters of the accept token for a key to `out`.
func appendAcceptToken(key: Span<UInt8>, to out: inout [UInt8]) {
  let digest =
    key.count == 24
    ? acceptDigest(key24: key)
    : SHA1.digest(of: key.indices.map { key[$0] } + Array(acceptGUID.utf8))
  // 20 bytes are six groups of three bytes and one of two.
  let (a, b, c, d, e) = (digest.a, digest.b, digest.c, digest.d, digest.e)
  var token = InlineArray<28, UInt8>(repeating: 0x3d)
  var span = token.mutableSpan
  writeGroup(a >> 8, at: 0, to: &span)
  writeGroup(a << 16 | b >> 16, at: 4, to: &span)
  writeGroup(b << 8 | c >> 24, at: 8, to: &span)
  writeGroup(c, at: 12, to: &span)
  writeGroup(d >> 8, at: 16, to: &span)
  writeGroup(d << 16 | e >> 16, at: 20, to: &span)
  span[24] = Base64.character(e >> 10)
  span[25] = Base64.character(e >> 4)
  span[26] = Base64.character(e << 2)
  token.span.withUnsafeBufferPointer { out.append(contentsOf: $0) }
}

/// Writes the four characters for the low 24 bits of `group`.
@inline(__always)
private func writeGroup(_ group: UInt32, at index: Int, to span: inout MutableSpan<UInt8>) {
  span[index] = Base64.character(group >> 18)
  span[index + 1] = Base64.character(group >> 12)
  span[index + 2] = Base64.character(group >> 6)
  span[index + 3] = Base64.character(group)
}

/// The digest of a 24-byte key and the GUID. That makes 60 bytes, so the first block ends with the GUID and
/// the 1 bit, and the second holds only the length. The second block's schedule is constant.
private func acceptDigest(key24 key: Span<UInt8>) -> SHA1.Digest {
  var schedule = SHA1.Schedule(repeating: 0)
  let bytes = key.bytes
  for word in 0..<6 {
    // `key` has 24 bytes, so the last load ends at 6 * 4.
    schedule[word] = UInt32(bigEndian: bytes.unsafeLoadUnaligned(fromByteOffset: word * 4, as: UInt32.self))
  }
  schedule[6] = 0x3235_3845
  schedule[7] = 0x4146_4135
  schedule[8] = 0x2d45_3931
  schedule[9] = 0x342d_3437
  schedule[10] = 0x4441_2d39
  schedule[11] = 0x3543_412d
  schedule[12] = 0x4335_4142
  schedule[13] = 0x3044_4338
  schedule[14] = 0x3542_3131
  schedule[15] = 0x8000_0000
  SHA1.expand(&schedule)
  var state = SHA1.Digest()
  SHA1.compress(schedule.span, into: &state)
  SHA1.compress(lengthOnlySchedule.span, into: &state)
  return state
}

private let lengthOnlySchedule: SHA1.Schedule = {
  var schedule = SHA1.Schedule(repeating: 0)
  schedule[15] = 60 * 8
  SHA1.expand(&schedule)
  return schedule
}()

/// The value of `Sec-WebSocket-Key` for 16 random bytes (RFC 6455 §4.1 item 7 of the list).
func makeNonce(from random: InlineArray<16, UInt8>) -> String {
  nonceCharacters(from: random).span.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
}

/// The 24 characters of ``makeNonce(from:)``: five groups of three bytes, and the last byte.
func nonceCharacters(from random: InlineArray<16, UInt8>) -> InlineArray<24, UInt8> {
  var nonce = InlineArray<24, UInt8>(repeating: 0x3d)
  var span = nonce.mutableSpan
  for group in 0..<5 {
    let (a, b, c) = (random[3 * group], random[3 * group + 1], random[3 * group + 2])
    writeGroup(UInt32(a) << 16 | UInt32(b) << 8 | UInt32(c), at: 4 * group, to: &span)
  }
  span[20] = Base64.character(UInt32(random[15]) >> 2)
  span[21] = Base64.character(UInt32(random[15]) << 4)
  return nonce
}

/// Whether `key` is the Base64 form of 16 bytes: 22 characters of the alphabet and "==" (RFC 6455 §4.2.1 item 5).
///
/// The four pad bits of the last character may be set: a decoder may accept that (RFC 4648 §3.5), and some
/// clients pick 22 random characters instead of encoding 16 bytes.
func isWebSocketKey(_ key: Span<UInt8>) -> Bool {
  guard key.count == 24, key[22] == 0x3d, key[23] == 0x3d else { return false }
  for index in 0..<22 where Base64.value(key[index]) == nil { return false }
  return true
}
