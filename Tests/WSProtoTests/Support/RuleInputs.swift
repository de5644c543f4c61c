// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing
import WSProto
import WSProtoTestSupport

/// A line of `Conformance/support/rules/frames.tsv`: frames that violate a rule. The C interface is given the same ones.
struct ForbiddenFrames: Sendable, CustomTestStringConvertible {
  let rule: String
  let what: String
  /// The code that the connection is closed with.
  let code: CloseReason
  private let setup: [String]
  /// The first byte, the length and the payload of each frame.
  private let frames: [[[UInt8]]]

  static let all: [ForbiddenFrames] = lines(of: "frames.tsv").compactMap(ForbiddenFrames.init)

  var testDescription: String { "\(rule): \(what)" }

  private init?(_ cells: [String]) {
    guard cells.count == 5, let code = UInt16(cells[2]) else { return nil }
    rule = cells[0]
    what = cells[1]
    self.code = CloseReason(code)
    setup = cells[3].split(separator: " ").map(String.init)
    var frames: [[[UInt8]]] = []
    for frame in cells[4].split(separator: "|") {
      let parts = frame.split(separator: " ").compactMap { Self.bytes($0) }
      guard 2...3 ~= parts.count, parts[0].count == 1 else { return nil }
      frames.append(parts)
    }
    self.frames = frames
  }

  /// `6162`, `61*300`, `03e8+61*124`.
  private static func bytes(_ text: Substring) -> [UInt8]? {
    var bytes: [UInt8] = []
    for term in text.split(separator: "+") {
      let factors = term.split(separator: "*")
      guard let digits = factors.first, digits.count.isMultiple(of: 2) else { return nil }
      var some: [UInt8] = []
      var rest = digits
      while !rest.isEmpty {
        guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
        some.append(byte)
        rest = rest.dropFirst(2)
      }
      guard let count = factors.count == 1 ? 1 : Int(factors[1]) else { return nil }
      for _ in 0..<count { bytes += some }
    }
    return bytes
  }

  /// The frames on the wire, for a receiver of this role: in one piece, and byte by byte.
  func ways(to role: ConnectionType) -> [[[UInt8]]] {
    let masks = (role == .server) != setup.contains("wrong-mask")
    var wire: [UInt8] = []
    for frame in frames {
      let payload = frame.count > 2 ? frame[2] : []
      var length = frame[1]
      if masks { length[0] |= 0x80 }
      wire += frame[0] + length
      guard masks else {
        wire += payload
        continue
      }
      wire += WireFrame.someMask
      for (index, byte) in payload.enumerated() { wire.append(byte ^ WireFrame.someMask[index % 4]) }
    }
    return [[wire], wire.map { [$0] }]
  }

  var limits: Limits {
    var limits = Limits()
    for word in setup {
      let parts = word.split(separator: "=")
      guard parts.count == 2, let value = Int(parts[1]) else { continue }
      switch parts[0] {
      case "message": limits.maxMessageBytes = value
      case "wire": limits.maxMessageWireBytes = value
      case "frame": limits.maxFramePayload = value
      case "fragments": limits.maxMessageFragments = value
      default: Issue.record("there is no limit \(parts[0])")
      }
    }
    return limits
  }

  /// The extensions to negotiate.
  var extensions: [any Extension] {
    if setup.contains("deflate") { return [PerMessageDeflate()] }
    return setup.contains("hooks") ? [PerMessageDeflate(), UnchangingExtension()] : []
  }

  /// The extensions as they are after a negotiation.
  func extensionsInUse(_ role: ConnectionType) throws -> [any Extension] {
    var inUse = extensions
    for index in inUse.indices {
      let header = ExtensionHeader(name: inUse[index].name)
      switch role {
      case .client: try inUse[index].finalize(header)
      case .server: _ = inUse[index].accept(header)
      }
    }
    return inUse
  }
}

/// A line of `Conformance/support/rules/handshakes.tsv`: a field that violates a rule.
struct ForbiddenField: Sendable, CustomTestStringConvertible {
  let rule: String
  /// The role of the receiver.
  let role: ConnectionType
  let name: String
  let value: String

  static let all: [ForbiddenField] = lines(of: "handshakes.tsv").compactMap(ForbiddenField.init)

  var testDescription: String { "\(rule): \(name): \(value)" }

  private init?(_ cells: [String]) {
    guard cells.count == 4 else { return nil }
    rule = cells[0]
    role = cells[1] == "client" ? .client : .server
    name = cells[2]
    value = cells[3]
  }

  /// Whether this is the error that the field must cause.
  func isRefused(by error: RemoteProtocolError?) -> Bool {
    guard let error, error.message == "Bad header, '\(name)'" else { return false }
    guard role == .server else { return true }
    guard case .rejectConnection(let reject) = error.eventHint else { return false }
    return reject.statusCode == 400
  }

  /// The head for a server, or the answer to this request for a client: in one piece, and byte by byte.
  func ways(answering request: [UInt8] = []) -> [[[UInt8]]] {
    let line = "\(name): \(value)\r\n"
    let head =
      role == .server ? upgradeRequest(without: name, extra: line) : switchingProtocols(to: request, line)
    return [[Array(head.utf8)], head.utf8.map { [$0] }]
  }

  /// All fields of the request.
  var fields: Headers {
    var headers: Headers = [
      .upgrade: "websocket", .connection: "Upgrade", .secWebSocketKey: "dGhlIHNhbXBsZSBub25jZQ==",
      .secWebSocketVersion: "13",
    ]
    let others = WSProtoTests.fields("Host", "server.example.com")
    for field in others + WSProtoTests.fields(name, value) { headers[field.name] = field.value }
    return headers
  }

  /// The request in values, with `Host` among its fields.
  var upgrade: HTTPRequest {
    HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/chat", headerFields: fields)
  }

  /// The request over HTTP/2 and HTTP/3, where the host is `:authority`.
  var extendedConnect: HTTPRequest {
    var request = HTTPRequest(
      method: .connect,
      scheme: "https",
      authority: name == "Host" ? value : "server.example.com",
      path: "/chat",
      headerFields: [.secWebSocketVersion: "13"]
    )
    request.extendedConnectProtocol = "websocket"
    if name != "Host" { request.headerFields += WSProtoTests.fields(name, value) }
    return request
  }

  /// An answer that would open the connection of this request, if it weren't for the field.
  func response(to request: HTTPRequest) -> HTTPResponse {
    let own = WSProtoTests.fields(name, value)
    guard let key = request.headerFields[.secWebSocketKey] else {
      return HTTPResponse(status: .ok, headerFields: own)
    }
    let upgrade: Headers = [
      .upgrade: "websocket", .connection: "Upgrade", .secWebSocketAccept: generateAcceptToken(key),
    ]
    return HTTPResponse(status: .switchingProtocols, headerFields: upgrade + own)
  }
}

/// Passes every frame on unchanged, but makes its connection run the hooks.
struct UnchangingExtension: Extension {
  private var isInUse = false
  var name: String { "x-unchanging" }

  func enabled() -> Bool { isInUse }
  func offer() -> [ExtensionParameter]? { [] }
  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    isInUse = true
    return []
  }
  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) { isInUse = true }
}

/// The lines of a table of `Conformance/support/rules`, by their cells.
private func lines(of table: String) -> [[String]] {
  let path = #filePath
  guard let tests = path.firstRange(of: "/Tests/WSProtoTests/"),
    let text = try? readFile("\(path[..<tests.lowerBound])/Conformance/support/rules/\(table)")
  else { return [] }
  return text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map {
    $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
  }
}
