// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import WSProto

/// A client's part in asking a SOCKS5 proxy for a connection (RFC 1928), with user and password (RFC 1929), as bytes.
struct SOCKS5Handshake {
  private enum State {
    case awaitingMethod
    case awaitingAuthentication
    case awaitingReply
    case open
  }

  /// What to do.
  enum Step {
    /// Wait for more bytes.
    case needMoreData
    /// Send these.
    case send(ByteBuffer)
    /// The connection to the server is open.
    case open
  }

  private let host: URLHost
  private let port: Int
  private let credentials: BasicCredentials?
  private var state = State.awaitingMethod

  /// - Throws: if user or password, or the host, do not fit into the bytes that are for them.
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

  /// The first bytes: the methods of authentication that this end has (RFC 1928 §3).
  var greeting: ByteBuffer {
    ByteBuffer(
      bytes: credentials == nil
        ? [5, 1, Self.noAuthentication] : [5, 2, Self.noAuthentication, Self.password]
    )
  }

  private static let noAuthentication: UInt8 = 0
  private static let password: UInt8 = 2

  /// Takes what the proxy has sent; call it until it asks for more, or the connection is open.
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
      // RFC 1929 §2: the version is that of this negotiation.
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
    // The lengths were checked by `init`.
    var bytes = ByteBuffer(bytes: [1, UInt8(truncatingIfNeeded: credentials.user.utf8.count)])
    bytes.writeString(credentials.user)
    bytes.writeInteger(UInt8(truncatingIfNeeded: credentials.password.utf8.count))
    bytes.writeString(credentials.password)
    return bytes
  }

  /// CONNECT (RFC 1928 §4). A name is the proxy's to look up.
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
      // A host has 254 characters at most.
      bytes.writeInteger(UInt8(truncatingIfNeeded: host.name.utf8.count))
      bytes.writeString(host.name)
    }
    bytes.writeInteger(UInt16(truncatingIfNeeded: port))
    return bytes
  }

  /// Whether the reply is there in full (RFC 1928 §6): 262 bytes at most. The address in it is of no use.
  private func readReply(_ bytes: inout ByteBuffer) throws(SOCKS5Failure) -> Bool {
    var rest = bytes
    guard let (version, reply) = rest.readMultipleIntegers(as: (UInt8, UInt8).self) else { return false }
    guard version == 5 else { throw .version(version) }
    // A refusal counts, whether the rest of it comes or not.
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

/// Why a SOCKS5 proxy gives no connection.
public enum SOCKS5Failure: Error, Sendable, Hashable {
  /// It wants another kind of authentication than it was offered.
  case noAcceptableMethod
  /// It has chosen a kind of authentication that was not offered.
  case method(UInt8)
  /// It does not accept user and password.
  case authentication
  /// User or password have none, or more than the 255 bytes that there is room for (RFC 1929 §2).
  case credentialsLength
  /// It has answered with this code other than 0 (RFC 1928 §6).
  case reply(UInt8)
  /// It speaks another version, or another protocol.
  case version(UInt8)
  /// Its reply has an address of a kind that there is not.
  case addressType(UInt8)
  /// It has sent bytes of the server's before the client's first.
  case earlyBytes

  /// Whether a later attempt may help: the proxy is in trouble, or cannot reach the server now.
  var isTransient: Bool {
    switch self {
    case .reply(1), .reply(3), .reply(4), .reply(5), .reply(6): true
    default: false
    }
  }
}

extension SOCKS5Failure: CustomStringConvertible {
  /// Why, in the words of RFC 1928.
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
