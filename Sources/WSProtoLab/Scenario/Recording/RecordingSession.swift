// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A conversation that is recorded while it takes place.
package actor RecordingSession {
  private let link: ScenarioLink
  private let start = ContinuousClock.now
  private let each: @Sendable (ScenarioSeen) -> Void
  private var conversation = RecordedConversation()
  private var lastSeen = ContinuousClock.now
  private var isOver = false
  private var hasClosed = false
  private var size = 0
  /// More was said than is recorded.
  package private(set) var isCut = false

  private static let limit = Duration.seconds(10)

  /// Connects.
  ///
  /// - Parameter each: called with all that comes.
  package static func open(
    _ url: String,
    on network: any ScenarioNetwork,
    subprotocols: [String],
    insecure: Bool,
    _ each: @escaping @Sendable (ScenarioSeen) -> Void
  ) async throws(ScenarioFailure) -> RecordingSession {
    let opening = try await network.connect(to: url, insecure: insecure, within: limit)
    let request = Request(host: opening.host, target: opening.target, subprotocols: subprotocols)
    let link = try ScenarioLink(opening.stream, asking: request, replies: true, inOneOrder: true)
    await link.start()
    switch await link.next(until: .now + limit) {
    case .opened?: break
    case let seen?: throw ScenarioFailure("the connection was not opened: \(seen.description)")
    case nil: throw ScenarioFailure("the server has not answered the handshake")
    }
    let session = RecordingSession(link, subprotocols, each)
    await session.begin()
    return session
  }

  private init(
    _ link: ScenarioLink,
    _ subprotocols: [String],
    _ each: @escaping @Sendable (ScenarioSeen) -> Void
  ) {
    self.link = link
    self.each = each
    conversation.subprotocols = subprotocols
  }

  private func begin() { Task { await receive() } }

  private func receive() async {
    while !isOver {
      guard let seen = await link.next(until: .now + .seconds(3600)) else { continue }
      lastSeen = .now
      each(seen)
      switch seen {
      case .text(let bytes): add(.text(bytes), isClients: false)
      case .binary(let bytes): add(.binary(bytes), isClients: false)
      case .ping(let bytes): add(.ping(bytes), isClients: false)
      case .pong(let bytes): add(.pong(bytes), isClients: false)
      case .close(let code, let reason):
        add(.close(code, reason: reason), isClients: false)
        isOver = true
      case .ended, .violation, .handshakeFailed, .refused: isOver = true
      case .opened: break
      }
    }
  }

  private func add(_ content: RecordedConversation.Content, isClients: Bool) {
    size += content.size + 64
    guard size <= ConversationRecorder.maxBytes else {
      isCut = true
      isOver = true
      return
    }
    let entry = RecordedConversation.Entry(isClients: isClients, content: content, time: .now - start)
    conversation.entries.append(entry)
  }

  /// Sends something, and remembers it.
  package func send(_ content: RecordedConversation.Content) async throws(ScenarioFailure) {
    guard !isOver, !hasClosed else { throw ScenarioFailure("the connection is closed") }
    func payload(_ bytes: [UInt8]) -> Payload { Payload(template: Template(bytes: bytes)) }
    let send: SendStep.Content =
      switch content {
      case .text(let bytes): .text(payload(bytes))
      case .binary(let bytes): .binary(payload(bytes))
      case .ping(let bytes): .ping(payload(bytes))
      case .pong(let bytes): .pong(payload(bytes))
      case .close(let code, let reason):
        .close(
          ClosePayloadStep(
            code: code == 1005 ? nil : code,
            reason: reason.isEmpty ? nil : Template(bytes: Array(reason.utf8))
          )
        )
      }
    if case .close = content { hasClosed = true }
    add(content, isClients: true)
    try await link.send(SendStep(content: send), ScenarioVariables(), until: .now + Self.limit)
  }

  /// Waits until the server has been silent for so long, and closes. A server that speaks on is waited for ten times as long.
  ///
  /// - Parameter isStopping: whether to close now.
  package func finish(
    afterSilence silence: Duration,
    isStopping: @Sendable () -> Bool
  ) async -> RecordedConversation {
    lastSeen = .now
    let latest = ContinuousClock.now + silence * 10
    while !isOver, !hasClosed, !isStopping(), ContinuousClock.now < min(lastSeen + silence, latest) {
      try? await Task.sleep(
        until: min(lastSeen + silence, latest, .now + .milliseconds(20)),
        clock: .continuous
      )
    }
    if !isOver, !hasClosed { try? await send(.close(1000, reason: "")) }
    let deadline = ContinuousClock.now + .seconds(5)
    while !isOver, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(5)) }
    isOver = true
    await link.disconnect()
    return conversation
  }
}
