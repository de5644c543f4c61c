// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import HTTPTypes
import WSProto

/// `wsproto_mask` of wsproto.h.
@_cdecl("wsproto_mask")
public func mask(_ data: UnsafeMutablePointer<UInt8>?, _ count: Int, _ key: UnsafePointer<UInt8>) {
  var bytes = UnsafeMutableRawBufferPointer(start: data, count: data == nil ? 0 : max(0, count)).mutableBytes
  // The C signature says that the key has four bytes.
  FrameEncoder.mask(&bytes, key: UnsafeRawPointer(key).loadUnaligned(as: UInt32.self))
}

/// `wsproto_generate_accept_token` of wsproto.h.
@_cdecl("wsproto_generate_accept_token")
public func acceptToken(_ key: wsproto_bytes, _ token: UnsafeMutablePointer<UInt8>) {
  // 28 characters: Base64 of the 20 bytes of SHA-1.
  for (index, byte) in generateAcceptToken(key.text).utf8.prefix(28).enumerated() { token[index] = byte }
}

/// `wsproto_generate_nonce` of wsproto.h.
@_cdecl("wsproto_generate_nonce")
public func nonce(_ nonce: UnsafeMutablePointer<UInt8>) {
  // 24 characters: Base64 of 16 bytes.
  for (index, byte) in generateNonce().utf8.prefix(24).enumerated() { nonce[index] = byte }
}

/// `wsproto_split_comma_header` of wsproto.h.
@_cdecl("wsproto_split_comma_header")
public func splitComma(
  _ value: wsproto_bytes,
  _ context: UnsafeMutableRawPointer?,
  _ element: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<UInt8>?, Int) -> Void
) {
  for piece in splitCommaHeader(value.text) {
    var piece = piece
    piece.withUTF8 { element(context, $0.baseAddress, $0.count) }
  }
}

/// `wsproto_normed_header_dict` of wsproto.h.
@_cdecl("wsproto_normed_header_dict")
public func normedHeaders(
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int,
  _ context: UnsafeMutableRawPointer?,
  _ field:
    @convention(c) (
      UnsafeMutableRawPointer?, UnsafePointer<UInt8>?, Int, UnsafePointer<UInt8>?, Int
    ) -> Void
) {
  // Skip fields that are not legal in HTTP.
  let legal = elements(fields, count).map { one in
    withUnsafePointer(to: one) { (try? headers($0, 1)) ?? Headers() }
  }
  for (name, value) in normedHeaderDict(Headers(legal.joined())) {
    var name = name
    var value = value
    name.withUTF8 { name in
      value.withUTF8 { value in field(context, name.baseAddress, name.count, value.baseAddress, value.count) }
    }
  }
}
