// SPDX-License-Identifier: Apache-2.0

import WSProto

/// What two ends have said to each other, as far as a test can repeat it.
package struct RecordedConversation: Sendable {
  package enum Content: Sendable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16, reason: String)

    var size: Int {
      switch self {
      case .text(let bytes), .binary(let bytes), .ping(let bytes), .pong(let bytes): bytes.count
      case .close(_, let reason): reason.utf8.count
      }
    }
  }

  /// Something that one end has sent.
  package struct Entry: Sendable {
    package var isClients: Bool
    package var content: Content
    /// The time since the connection was opened; `nil` if that is not known.
    package var time: Duration?

    package init(isClients: Bool, content: Content, time: Duration?) {
      self.isClients = isClients
      self.content = content
      self.time = time
    }
  }

  package var subprotocols: [String] = []
  package var headers: [(name: String, value: String)] = []
  package var isCompressed = false
  package var entries: [Entry] = []

  package init() {}

  /// The fields that say who somebody is.
  static let secretFields: Set<String> = ["authorization", "cookie", "proxy-authorization"]

  /// Leaves out the fields that say who somebody is.
  package mutating func removeCredentials() {
    headers.removeAll { Self.secretFields.contains($0.name.lowercased()) }
  }
}

/// Keeps one connection of a recorded file.
package final class ConversationRecorder {
  /// Why a file cannot be repeated.
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  private var conversation = RecordedConversation()
  /// The connection; `nil` until one is found.
  private var connection: Int?
  private let wanted: Int?
  private var start: CaptureTime?
  private var size = 0
  private var failure: Failure?

  /// The most bytes of all messages together.
  static let maxBytes = 256 << 20
  private static let ownFields: Set<String> = ["host", "upgrade", "connection", "content-length"]

  /// - Parameter connection: its number in the file; `nil` for the first WebSocket connection.
  package init(connection: Int?) { wanted = connection }

  /// What an inspection needs for this.
  package static var options: InspectionOptions {
    var options = InspectionOptions()
    options.messageBytes = 16 << 20
    return options
  }

  /// Takes the next observation.
  package func take(_ observation: Observation) {
    guard failure == nil else { return }
    if connection == nil { choose(observation) }
    guard let connection, observation.connection == connection else { return }
    switch observation.content {
    case .request(let record): read(request: record)
    case .response(let record):
      conversation.isCompressed = !record.extensions.isEmpty
      start = start ?? observation.time
    case .frame(let frame): read(frame, observation)
    case .message(let message): read(message, observation)
    case .opened, .finding, .closed: break
    }
  }

  private func choose(_ observation: Observation) {
    guard case .opened(let opening) = observation.content else { return }
    switch opening.kind {
    case .webSocket, .webSocketUnderWay:
      if wanted == nil || wanted == observation.connection { connection = observation.connection }
    case .http1, .http2, .tls, .unknown: break
    }
  }

  private func read(request: HandshakeRecord) {
    for field in request.fields {
      guard let colon = field.firstIndex(of: UInt8(ascii: ":")) else { continue }
      let name = String(decoding: field[..<colon], as: UTF8.self)
      let value = field[(colon + 1)...].drop { $0 == 0x20 || $0 == 0x09 }
      let text = String(decoding: value, as: UTF8.self)
      if name.lowercased() == "sec-websocket-protocol" {
        conversation.subprotocols += text.split(separator: ",").map { part in
          String(part.drop { $0 == " " }.prefix { $0 != " " })
        }
      } else if !Self.ownFields.contains(name.lowercased()), !name.lowercased().hasPrefix("sec-websocket-"),
        name.utf8.allSatisfy(Template.isNameByte), !name.isEmpty
      {
        conversation.headers.append((name, text))
      }
    }
  }

  private func read(_ frame: FrameRecord, _ observation: Observation) {
    switch frame.head.meaning {
    case .ping: add(.ping(frame.payload), observation)
    case .pong: add(.pong(frame.payload), observation)
    case .close:
      guard let code = frame.closeCode else { return }
      add(.close(code.rawValue, reason: frame.closeReason ?? ""), observation)
    case .continuation, .text, .binary, nil: break
    }
  }

  private func read(_ message: MessageRecord, _ observation: Observation) {
    let isWhole =
      !message.isDamaged && message.unknownBytes == 0 && UInt64(message.content.count) == message.size
    guard isWhole, let opcode = message.opcode else {
      let who = observation.direction == .fromClient ? "client" : "server"
      let why =
        UInt64(message.content.count) < message.size && !message.isDamaged
        ? "it is larger than \(Self.options.messageBytes) bytes" : "the file does not have all of it"
      failure = Failure(description: "message \(message.number) of the \(who) cannot be repeated: \(why)")
      return
    }
    add(opcode == .text ? .text(message.content) : .binary(message.content), observation)
  }

  private func add(_ content: RecordedConversation.Content, _ observation: Observation) {
    guard let direction = observation.direction else { return }
    size += content.size + 64
    guard size <= Self.maxBytes else {
      failure = Failure(description: "the messages have more than \(Self.maxBytes) bytes")
      return
    }
    start = start ?? observation.time
    let time = observation.time.flatMap { time in start.map { Duration.nanoseconds(max(0, time.since($0))) } }
    conversation.entries.append(
      RecordedConversation.Entry(isClients: direction == .fromClient, content: content, time: time)
    )
  }

  /// The file has ended.
  ///
  /// - Throws: ``Failure`` if there is nothing to repeat, or not all of it is there.
  package func finish() throws(Failure) -> RecordedConversation {
    if let failure { throw failure }
    guard connection != nil else {
      let which = wanted.map { "connection \($0) is no" } ?? "there is no"
      throw Failure(
        description: "\(which) WebSocket connection that can be read: wsproto inspect shows what is there"
      )
    }
    return conversation
  }
}
