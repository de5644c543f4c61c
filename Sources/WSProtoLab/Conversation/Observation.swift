// SPDX-License-Identifier: Apache-2.0

/// One thing that an ``Inspection`` has found out, in the order in which it became known.
public struct Observation: Sendable {
  /// What was found out.
  public enum Content: Sendable {
    /// A connection has been recognised.
    case opened(ConnectionOpening)
    /// The client's request for an upgrade.
    case request(HandshakeRecord)
    /// The server's response.
    case response(HandshakeRecord)
    /// A frame, when its last byte has been seen.
    case frame(FrameRecord)
    /// A message, after the frame that ends it.
    case message(MessageRecord)
    /// Something about the conversation.
    case finding(Finding)
    /// Nothing more of the connection will follow.
    case closed(ConnectionSummary)
  }

  /// The number of the connection in the capture, from 1; 0 for a finding about the capture as a whole.
  public var connection: Int
  /// Who sent it; `nil` if that is not known, or if it is about both.
  public var direction: Direction?
  /// When its last byte was captured; `nil` if the capture doesn't say.
  public var time: CaptureTime?
  /// What it is.
  public var content: Content
}

/// What a connection is.
public struct ConnectionOpening: Sendable, Hashable {
  /// The protocol that its first bytes show.
  public enum Kind: Sendable, Hashable {
    /// A WebSocket connection, from its handshake on.
    case webSocket
    /// A WebSocket connection whose handshake was not captured.
    case webSocketUnderWay
    /// HTTP/1.1 that asks for no WebSocket. It is not shown.
    case http1
    /// HTTP/2 without TLS. It is not decoded.
    case http2
    /// TLS. It cannot be read.
    case tls
    /// Something else.
    case unknown
  }

  /// What it is.
  public var kind: Kind
  /// The client; `nil` in files without addresses.
  public var client: Endpoint?
  /// The server; `nil` in files without addresses.
  public var server: Endpoint?
  /// Where the conversation took place, if the file says so: the URL of a HAR's entry.
  public var url: String?
}

/// How a connection has ended, and what it was.
public struct ConnectionSummary: Sendable, Hashable {
  /// Why nothing more is read.
  public var end: ConnectionEnd
  /// Bytes of the client's, and of the server's.
  public var bytes: [Int]
  /// What the capture shows of the transport.
  public var transport: TransportSummary
}

/// A head of the opening handshake.
public struct HandshakeRecord: Sendable, Hashable {
  /// The request line, or the status line, without its line end.
  public var startLine: [UInt8]
  /// The field lines in order, without line ends.
  public var fields: [[UInt8]]
  /// The status of a response.
  public var status: Int?
  /// What the response agrees on: the subprotocol.
  public var subprotocol: String?
  /// What the response agrees on: the extensions, as in its field.
  public var extensions: [String] = []

  /// A head whose lines are known.
  init(startLine: [UInt8], fields: [[UInt8]]) {
    self.startLine = startLine
    self.fields = fields
  }

  /// The lines of a head; its last, empty line is optional.
  init(_ head: ArraySlice<UInt8>) {
    var lines = head.split(separator: 0x0A, omittingEmptySubsequences: true).map { line in
      Array(line.last == 0x0D ? line.dropLast() : line)
    }
    lines.removeAll { $0.isEmpty }
    startLine = lines.first ?? []
    fields = Array(lines.dropFirst())
  }

  /// The value of the first field with this name, which is compared without case.
  func value(_ name: String) -> ArraySlice<UInt8>? {
    let wanted = Array(name.lowercased().utf8)
    for field in fields {
      guard let colon = field.firstIndex(of: UInt8(ascii: ":")), colon == wanted.count,
        field[..<colon].elementsEqual(wanted, by: { $0 | 0x20 == $1 || $0 == $1 })
      else { continue }
      var value = field[(colon + 1)...]
      while value.first == 0x20 || value.first == 0x09 { value = value.dropFirst() }
      while value.last == 0x20 || value.last == 0x09 { value = value.dropLast() }
      return value
    }
    return nil
  }
}
