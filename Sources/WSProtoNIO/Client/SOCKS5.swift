// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// The client side of a SOCKS5 handshake (RFC 1928) with username and password (RFC 1929), without I/O.
struct SOCKS5Handshake {
  private enum State {
    case awaitingMethod
    case awaitingAuthentication
    case awaitingReply
    case open
  }

  /// What to do next.
  enum Step {
    /// Wait for more bytes.
    case needMoreData
    /// Send these bytes.
    case send(ByteBuffer)
    /// The connection to the server is open.
    case open
  }

  private let host: URLHost
  private let port: Int
  private let credentials: BasicCredentials?
  private var state = State.awaitingMethod

  /// - Throws: ``SOCKS5Failure/credentialsLength`` if the user or the password doesn't fit into its field.
  init(host: URLHost, port: Int, credentials: BasicCredentials?) throws(SOCKS5Failure) {
    self.host = host
    self.port = port
    self.credentials = credentials
    if let credentials {
      guard 1...255 ~= credentials.user.utf8.count, 1...255 ~= credentials.password.utf8.count else {
        throw .credentialsLength
      }
    }
  }

  /// The first bytes to send: the supported authentication methods (RFC 1928 §3).
  var greeting: ByteBuffer {
    ByteBuffer(
      bytes: credentials == nil
        ? [5, 1, Self.noAuthentication] : [5, 2, Self.noAuthentication, Self.password]
    )
  }

  private static let noAuthentication: UInt8 = 0
  private static let password: UInt8 = 2

  /// Processes what the proxy has sent. Call it until it asks for more or the connection is open.
  mutating func next(_ bytes: inout ByteBuffer) throws(SOCKS5Failure) -> Step {
    switch state {
    case .awaitingMethod:
      guard let (version, method) = bytes.readMultipleIntegers(as: (UInt8, UInt8).self) else {
        return .needMoreData
      }
      guard version == 5 else { throw .version(version) }
      switch method {
      case Self.noAuthentication:
        state = .awaitingReply
        return .send(request)
      case Self.password:
        guard let credentials else { throw .method(method) }
        state = .awaitingAuthentication
        return .send(Self.authentication(credentials))
      default: throw method == 0xff ? .noAcceptableMethod : .method(method)
      }
    case .awaitingAuthentication:
      // The version in this reply is that of the subnegotiation (RFC 1929 §2).
      guard let (_, status) = bytes.readMultipleIntegers(as: (UInt8, UInt8).self) else {
        return .needMoreData
      }
      guard status == 0 else { throw .authentication }
      state = .awaitingReply
      return .send(request)
    case .awaitingReply:
      guard try readReply(&bytes) else { return .needMoreData }
      state = .open
      return .open
    case .open: return .open
    }
  }

  private static func authentication(_ credentials: BasicCredentials) -> ByteBuffer {
    // `init` has checked the lengths.
    var bytes = ByteBuffer(bytes: [1, UInt8(truncatingIfNeeded: credentials.user.utf8.count)])
    bytes.writeString(credentials.user)
    bytes.writeInteger(UInt8(truncatingIfNeeded: credentials.password.utf8.count))
    bytes.writeString(credentials.password)
    return bytes
  }

  /// The CONNECT request (RFC 1928 §4). The proxy resolves a name.
  private var request: ByteBuffer {
    var bytes = ByteBuffer(bytes: [5, 1, 0])
    switch host.address {
    case .v4(let address):
      bytes.writeInteger(UInt8(1))
      bytes.writeInteger(address)
    case .v6(let address):
      bytes.writeInteger(UInt8(4))
      bytes.writeInteger(UInt64(truncatingIfNeeded: address >> 64))
      bytes.writeInteger(UInt64(truncatingIfNeeded: address))
    case nil:
      bytes.writeInteger(UInt8(3))
      // A host name has at most 254 characters.
      bytes.writeInteger(UInt8(truncatingIfNeeded: host.name.utf8.count))
      bytes.writeString(host.name)
    }
    bytes.writeInteger(UInt16(truncatingIfNeeded: port))
    return bytes
  }

  /// Whether the reply is complete (RFC 1928 §6): at most 262 bytes. The address in it isn't used.
  private func readReply(_ bytes: inout ByteBuffer) throws(SOCKS5Failure) -> Bool {
    var rest = bytes
    guard let (version, reply) = rest.readMultipleIntegers(as: (UInt8, UInt8).self) else { return false }
    guard version == 5 else { throw .version(version) }
    // A refusal counts, even if the rest never comes.
    guard reply == 0 else { throw .reply(reply) }
    guard let (_, kind) = rest.readMultipleIntegers(as: (UInt8, UInt8).self) else { return false }
    let length: Int
    switch kind {
    case 1: length = 4
    case 4: length = 16
    case 3:
      guard let count = rest.readInteger(as: UInt8.self) else { return false }
      length = Int(count)
    default: throw .addressType(kind)
    }
    guard rest.readSlice(length: length + 2) != nil else { return false }
    bytes = rest
    return true
  }
}

/// Why a SOCKS5 proxy opened no connection.
public enum SOCKS5Failure: Error, Sendable, Hashable {
  /// The proxy requires an authentication method that wasn't offered.
  case noAcceptableMethod
  /// The proxy chose an authentication method that wasn't offered.
  case method(UInt8)
  /// The proxy doesn't accept the user and password.
  case authentication
  /// The user or the password is empty or longer than 255 bytes (RFC 1929 §2).
  case credentialsLength
  /// The proxy answered with this code other than 0 (RFC 1928 §6).
  case reply(UInt8)
  /// The proxy speaks another version, or another protocol.
  case version(UInt8)
  /// The proxy's reply has an address of an unknown type.
  case addressType(UInt8)
  /// The proxy sent bytes from the server before the client sent its first.
  case earlyBytes

  /// Whether a later attempt may succeed: the proxy is in trouble, or can't reach the server at the moment.
  var isTransient: Bool {
    switch self {
    case .reply(1), .reply(3), .reply(4), .reply(5), .reply(6): true
    default: false
    }
  }
}

extension SOCKS5Failure: CustomStringConvertible {
  /// The cause, in the words of RFC 1928.
  public var description: String {
    switch self {
    case .noAcceptableMethod: "it wants another authentication"
    case .method(let method): "it wants the authentication \(method), which was not offered"
    case .authentication: "it does not accept user and password"
    case .credentialsLength: "user and password have 1 to 255 bytes each (RFC 1929 §2)"
    case .reply(1): "general failure"
    case .reply(2): "connection not allowed by ruleset"
    case .reply(3): "network unreachable"
    case .reply(4): "host unreachable"
    case .reply(5): "connection refused"
    case .reply(6): "TTL expired"
    case .reply(7): "command not supported"
    case .reply(8): "address type not supported"
    case .reply(let code): "code \(code)"
    case .version(let version): "its answer is of version \(version), not 5"
    case .addressType(let kind): "its reply has an address of the unknown type \(kind)"
    case .earlyBytes: "bytes came before the client's first"
    }
  }
}
#endif
