// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOCore
internal import WSProto

/// A PROXY protocol header, version 1 or 2, which a load balancer sends before the first byte of a connection.
///
/// Anyone who can connect can send such a header. Read it only from peers that are known to be proxies, and require it
/// from them.
public enum ProxyProtocolHeader: Sendable, Hashable {
  /// A connection of the proxy itself, such as a health check. The socket's addresses are the real ones.
  case local
  /// A connection whose addresses the proxy doesn't know, or that isn't TCP. The socket's addresses count.
  case unknown
  /// A connection from `source` to `destination`.
  case proxied(source: ForwardedNode, destination: ForwardedNode)

  /// The maximum length of a header in bytes. A version 1 header has at most 107; a version 2 header may have
  /// extensions, which are skipped.
  public static let maxByteCount = 4096

  /// Reads a header from the front of `buffer`.
  ///
  /// - Returns: the header, whose bytes are removed from `buffer`; `nil`, with `buffer` unchanged, if more bytes are
  ///   needed. That is never more than ``maxByteCount`` bytes in total.
  /// - Throws: ``ProxyProtocolError`` as soon as the bytes can't become a header. Close the connection without an
  ///   answer.
  public static func read(
    from buffer: inout ByteBuffer
  ) throws(ProxyProtocolError) -> ProxyProtocolHeader? {
    let bytes = buffer.readableBytesView
    let isText = bytes.first == prefix.first
    let signature = isText ? prefix : Self.signature
    if let (_, wrong) = zip(signature, bytes).first(where: { $0 != $1 }) { throw .notAHeader(wrong) }
    guard bytes.count > signature.count else { return nil }
    return isText ? try readText(from: &buffer) : try readBinary(from: &buffer)
  }

  private static let prefix = Array("PROXY ".utf8)
  private static let signature: [UInt8] = [
    0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a,
  ]
}

// Version 1: one line of text.
extension ProxyProtocolHeader {
  private static func readText(
    from buffer: inout ByteBuffer
  ) throws(ProxyProtocolError) -> ProxyProtocolHeader? {
    let view = buffer.readableBytesView.prefix(107)
    guard let end = view.firstIndex(of: 0x0a) else {
      if view.count == 107 { throw .tooLong }
      return nil
    }
    guard end > view.startIndex, view[end - 1] == 0x0d else { throw .line(shown(view)) }
    let header = try text(view[view.startIndex..<(end - 1)])
    buffer.moveReaderIndex(forwardBy: end + 1 - view.startIndex)
    return header
  }

  private static func text(_ line: ByteBufferView) throws(ProxyProtocolError) -> ProxyProtocolHeader {
    let words = line.split(separator: 0x20, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    // The rest of an UNKNOWN line must be ignored.
    if words.count > 1, words[1] == "UNKNOWN" { return .unknown }
    guard words.count == 6, let source = IPAddress(words[2]), let destination = IPAddress(words[3]),
      let sourcePort = port(words[4]), let destinationPort = port(words[5])
    else { throw .line(shown(line)) }
    switch (words[1], source, destination) {
    case ("TCP4", .v4, .v4), ("TCP6", .v6, .v6): break
    default: throw .line(shown(line))
    }
    return .proxied(
      source: ForwardedNode(address: source.unmapped, port: sourcePort),
      destination: ForwardedNode(address: destination.unmapped, port: destinationPort)
    )
  }

  private static func port(_ text: String) -> Int? {
    guard text.utf8.allSatisfy(URLBytes.isDigit), text == "0" || text.utf8.first != UInt8(ascii: "0") else {
      return nil
    }
    return UInt16(text).map { Int($0) }
  }

  private static func shown(_ bytes: ByteBufferView) -> String { String(decoding: bytes, as: UTF8.self) }
}

// Version 2: bytes.
extension ProxyProtocolHeader {
  private static func readBinary(
    from buffer: inout ByteBuffer
  ) throws(ProxyProtocolError) -> ProxyProtocolHeader? {
    var rest = buffer
    rest.moveReaderIndex(forwardBy: signature.count)
    guard let command = rest.readInteger(as: UInt8.self) else { return nil }
    guard command >> 4 == 2 else { throw .version(command >> 4) }
    guard command & 15 <= 1 else { throw .command(command & 15) }
    guard let family = rest.readInteger(as: UInt8.self), let length = rest.readInteger(as: UInt16.self) else {
      return nil
    }
    guard 16 + Int(length) <= maxByteCount else { throw .tooLong }
    guard var block = rest.readSlice(length: Int(length)) else { return nil }
    let header = try binary(isLocal: command & 15 == 0, family, &block)
    buffer = rest
    return header
  }

  private static func binary(
    isLocal: Bool,
    _ family: UInt8,
    _ block: inout ByteBuffer
  ) throws(ProxyProtocolError) -> ProxyProtocolHeader {
    if isLocal { return .local }
    switch family {
    case 0x11:
      guard
        let (source, destination, sourcePort, destinationPort) = block.readMultipleIntegers(
          as: (UInt32, UInt32, UInt16, UInt16).self
        )
      else { throw .addressesCut(family) }
      return .proxied(
        source: ForwardedNode(address: .v4(source), port: Int(sourcePort)),
        destination: ForwardedNode(address: .v4(destination), port: Int(destinationPort))
      )
    case 0x21:
      guard let source = address(&block), let destination = address(&block),
        let (sourcePort, destinationPort) = block.readMultipleIntegers(as: (UInt16, UInt16).self)
      else { throw .addressesCut(family) }
      return .proxied(
        source: ForwardedNode(address: source.unmapped, port: Int(sourcePort)),
        destination: ForwardedNode(address: destination.unmapped, port: Int(destinationPort))
      )
    // Unspecified, datagrams, Unix domain sockets.
    case 0x00, 0x12, 0x22, 0x31, 0x32: return .unknown
    default: throw .family(family)
    }
  }

  private static func address(_ block: inout ByteBuffer) -> IPAddress? {
    block.readMultipleIntegers(as: (UInt64, UInt64).self).map { .v6(UInt128($0) << 64 | UInt128($1)) }
  }
}

/// Why bytes aren't a valid PROXY protocol header.
public enum ProxyProtocolError: Error, Sendable, Hashable {
  /// This byte doesn't match the beginning of a header of either version.
  case notAHeader(UInt8)
  /// The line isn't a valid version 1 header.
  case line(String)
  /// A version 1 header longer than 107 bytes, or a version 2 header longer than ``ProxyProtocolHeader/maxByteCount``.
  case tooLong
  /// A version other than 2 after the signature.
  case version(UInt8)
  /// A version 2 command other than LOCAL and PROXY.
  case command(UInt8)
  /// An address family and protocol that version 2 doesn't define.
  case family(UInt8)
  /// The header is too short for the addresses of its family.
  case addressesCut(UInt8)
}

extension ProxyProtocolError: CustomStringConvertible {
  /// The cause, with the value truncated and escaped.
  public var description: String {
    switch self {
    case .notAHeader(let byte): "no PROXY protocol header: \(quoted([byte])) is not what it begins with"
    case .line(let line): "\(quoted(line)) is no line of the PROXY protocol, version 1"
    case .tooLong: "the header of the PROXY protocol is too long"
    case .version(let version): "the PROXY protocol's version \(version) is not known"
    case .command(let command): "the PROXY protocol's command \(command) is not known"
    case .family(let family):
      "the PROXY protocol's address family 0x\(String(family, radix: 16)) is not known"
    case .addressesCut(let family):
      "the PROXY protocol's header is too short for the addresses of family 0x\(String(family, radix: 16))"
    }
  }
}
#endif
