// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

/// An enabled extension that does nothing: with it, permessage-deflate runs through its hooks.
struct PassiveExtension: Extension {
  var name: String { "x-passive" }
  func enabled() -> Bool { true }
}

extension PerMessageDeflate {
  /// Both ends after a handshake.
  static func negotiate(
    client: PerMessageDeflate = PerMessageDeflate(),
    server: PerMessageDeflate = PerMessageDeflate()
  ) throws -> (client: PerMessageDeflate, server: PerMessageDeflate) {
    var client = client
    var server = server
    let offer = try #require(client.offer())
    let answer = server.accept(ExtensionHeader(name: Self.name, parameters: offer))
    try client.finalize(ExtensionHeader(name: Self.name, parameters: #require(answer)))
    return (client, server)
  }

  /// The defaults, negotiated, for `role`.
  static func negotiated(_ role: ConnectionType) throws -> PerMessageDeflate {
    let ends = try negotiate()
    return role == .client ? ends.client : ends.server
  }
}

extension Extension {
  /// The result for a part of a payload.
  mutating func payload(_ context: FrameContext, _ data: [UInt8]) throws(ParseFailed) -> [UInt8] {
    var output: [UInt8] = []
    try frameInboundPayloadData(context, data, into: &output)
    return output
  }

  /// The output at the end of a frame.
  mutating func complete(_ context: FrameContext, fin: Bool) throws(ParseFailed) -> [UInt8] {
    var output: [UInt8] = []
    try frameInboundComplete(context, fin: fin, into: &output)
    return output
  }
}

/// What a connection delivered, with the parts of a message joined.
enum Seen: Equatable {
  case text(String)
  case bytes([UInt8])
  /// The part of a message that had arrived when the events ended.
  case partialText(String)
  case partialBytes([UInt8])
  case ping([UInt8])
  case close(CloseReason)
}

/// A way to feed a connection.
struct Door: CustomTestStringConvertible {
  var delivery = MessageDelivery.chunks
  var borrowed = false
  /// Whether permessage-deflate runs through its hooks.
  var hooks = false

  var testDescription: String { "\(delivery), \(borrowed ? "borrowed" : "owned")\(hooks ? ", hooks" : "")" }

  static let all: [Door] = [MessageDelivery.chunks, .wholeMessages].flatMap { delivery in
    [false, true].flatMap { borrowed in
      [false, true].map { Door(delivery: delivery, borrowed: borrowed, hooks: $0) }
    }
  }
  /// The ones that use the fast path.
  static let direct = all.filter { !$0.hooks }

  func connection(_ role: ConnectionType, limits: Limits = Limits()) throws -> Connection {
    let deflate = try PerMessageDeflate.negotiated(role)
    return Connection(
      role,
      extensions: hooks ? [deflate, PassiveExtension()] : [deflate],
      configuration: Configuration(delivery: delivery, limits: limits)
    )
  }

  /// Feeds `wire` in chunks and returns what was delivered.
  func receive(_ wire: [UInt8], on connection: Connection, chunk: Int = .max) throws -> DeflateOutcome {
    var outcome = DeflateOutcome()
    for var piece in wire.cut({ min(chunk, $0) }) {
      if borrowed {
        var span = piece.mutableSpan
        var bytes = span.mutableBytes
        connection.receive(&bytes) { event in
          switch event {
          case .textMessage(let part):
            outcome.add(text: String(copying: part.data), finished: part.messageFinished)
          case .bytesMessage(let part):
            outcome.add(bytes: part.data.withUnsafeBytes { Array($0) }, finished: part.messageFinished)
          case .ping(let payload): outcome.seen.append(.ping(payload.withUnsafeBytes { Array($0) }))
          case .pong: Issue.record("a pong")
          case .closeConnection(let code, reason: _): outcome.seen.append(.close(code))
          case .handshake, .handshakeFailed: Issue.record("a handshake")
          }
        }
      } else {
        try connection.receiveData(piece)
        while let event = connection.nextEvent() {
          switch event {
          case .textMessage(let part): outcome.add(text: part.data, finished: part.messageFinished)
          case .bytesMessage(let part): outcome.add(bytes: Array(part.data), finished: part.messageFinished)
          case .ping(let ping): outcome.seen.append(.ping(Array(ping.payload)))
          case .closeConnection(let close): outcome.seen.append(.close(close.code))
          default: Issue.record("unexpected \(event)")
          }
        }
      }
      outcome.peak = max(outcome.peak, connection.inbound.heldBytes)
    }
    outcome.finish()
    return outcome
  }

  func receive(
    _ wire: [UInt8],
    as role: ConnectionType,
    limits: Limits = Limits(),
    chunk: Int = .max
  ) throws -> DeflateOutcome {
    try receive(wire, on: connection(role, limits: limits), chunk: chunk)
  }
}

struct DeflateOutcome {
  var seen: [Seen] = []
  /// The size of the largest buffer for inflated bytes; it still exists after a failure.
  var peak = 0
  private var text: String?
  private var bytes: [UInt8]?

  /// The number of bytes delivered.
  var size: Int {
    seen.reduce(0) { sum, one in
      switch one {
      case .text(let text), .partialText(let text): sum + text.utf8.count
      case .bytes(let bytes), .partialBytes(let bytes): sum + bytes.count
      case .ping, .close: sum
      }
    }
  }

  mutating func add(text part: String, finished: Bool) {
    #expect(bytes == nil)
    text = text ?? ""
    text?.append(contentsOf: part)
    guard finished, let whole = text else { return }
    seen.append(.text(whole))
    text = nil
  }

  mutating func add(bytes part: [UInt8], finished: Bool) {
    #expect(text == nil)
    bytes = bytes ?? []
    bytes?.append(contentsOf: part)
    guard finished, let whole = bytes else { return }
    seen.append(.bytes(whole))
    bytes = nil
  }

  mutating func finish() {
    // A failure comes after the part of the message that arrived.
    let close = seen.last.flatMap { if case .close = $0 { $0 } else { nil } }
    if close != nil { seen.removeLast() }
    if let text, !text.isEmpty { seen.append(.partialText(text)) }
    if let bytes, !bytes.isEmpty { seen.append(.partialBytes(bytes)) }
    if let close { seen.append(close) }
  }
}

/// A frame as `receiver`'s peer sends it: masked for a server.
func wireFrame(_ first: UInt8, _ payload: [UInt8], to receiver: ConnectionType) -> [UInt8] {
  let maskBit: UInt8 = receiver == .server ? 0x80 : 0
  var wire: [UInt8] = [first]
  switch payload.count {
  case ...125: wire.append(maskBit | UInt8(payload.count))
  case ...0xFFFF: wire += [maskBit | 126] + (0..<2).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
  default: wire += [maskBit | 127] + (0..<8).reversed().map { UInt8(payload.count >> ($0 * 8) & 0xFF) }
  }
  guard receiver == .server else { return wire + payload }
  let key: [UInt8] = [0x37, 0xfa, 0x21, 0x3d]
  return wire + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
}
