// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// The result of a stream of frames, however it was split: messages joined, control frames in order, the end.
package struct Outcome: Sendable, Hashable {
  package enum Item: Sendable, Hashable {
    case text(String)
    case bytes([UInt8])
    case ping([UInt8])
    case pong([UInt8])
  }

  /// A complete message, or a control frame.
  package struct Entry: Sendable, Hashable {
    package var item: Item
    /// For a control frame inside a message: how many bytes of the message were delivered before it.
    package var deliveredBefore: Int

    package init(_ item: Item, deliveredBefore: Int = 0) {
      self.item = item
      self.deliveredBefore = deliveredBefore
    }
  }

  package var entries: [Entry] = []
  /// What was delivered of an unfinished message; `nil` if nothing.
  package var partial: Item?
  /// The code of the Close or of the failure that ended the stream.
  package var code: UInt16?
  /// The reason of a Close; `nil` if there was none.
  package var reason: String?
  /// Events that must not occur: a part whose type differs from its message's, or a meaningless empty part.
  package var violations: [String] = []

  package init() {}

  /// The outcome if messages are only delivered whole.
  package var wholeMessages: Outcome {
    var whole = self
    whole.partial = nil
    for index in whole.entries.indices { whole.entries[index].deliveredBefore = 0 }
    return whole
  }

  /// Whether this outcome of a connection equals that of the slow decoder. The words of a failure may differ.
  package func agrees(with twin: Outcome) -> Bool {
    violations.isEmpty && entries == twin.entries && partial == twin.partial && code == twin.code
      && (twin.reason == nil || reason == twin.reason)
  }
}

/// Joins events to an outcome.
package struct OutcomeCollector {
  package private(set) var outcome = Outcome()
  private var isText = false
  private var isInside = false
  private var joined: [UInt8] = []
  private let whole: Bool

  package init(wholeMessages: Bool) { whole = wholeMessages }

  package var finished: Outcome {
    var result = outcome
    if !joined.isEmpty { result.partial = item(joined) }
    return result
  }

  private func item(_ bytes: [UInt8]) -> Outcome.Item {
    isText ? .text(String(decoding: bytes, as: UTF8.self)) : .bytes(bytes)
  }

  package mutating func message(text: Bool, _ bytes: [UInt8], frameFinished: Bool, messageFinished: Bool) {
    if isInside, isText != text { outcome.violations.append("a part of another type than its message") }
    if whole, !messageFinished { outcome.violations.append("a part where whole messages are delivered") }
    if bytes.isEmpty, !frameFinished { outcome.violations.append("a part that says nothing") }
    if messageFinished, !frameFinished { outcome.violations.append("a message that ends before its frame") }
    if text, String(validating: bytes, as: UTF8.self) == nil {
      outcome.violations.append("text that is not UTF-8")
    }
    isText = text
    isInside = true
    joined += bytes
    guard messageFinished else { return }
    outcome.entries.append(Outcome.Entry(item(joined)))
    joined = []
    isInside = false
  }

  package mutating func control(_ item: Outcome.Item) {
    outcome.entries.append(Outcome.Entry(item, deliveredBefore: joined.count))
  }

  package mutating func end(_ code: UInt16, _ reason: String?) {
    if outcome.code != nil { outcome.violations.append("a second end") }
    outcome.code = code
    outcome.reason = reason?.isEmpty == true ? nil : reason
  }

  package mutating func add(_ event: Event) {
    if outcome.code != nil { outcome.violations.append("an event after the end") }
    switch event {
    case .textMessage(let part):
      message(
        text: true,
        Array(part.data.utf8),
        frameFinished: part.frameFinished,
        messageFinished: part.messageFinished
      )
    case .bytesMessage(let part):
      message(
        text: false,
        Array(part.data),
        frameFinished: part.frameFinished,
        messageFinished: part.messageFinished
      )
    case .ping(let ping): control(.ping(Array(ping.payload)))
    case .pong(let pong): control(.pong(Array(pong.payload)))
    case .closeConnection(let close): end(close.code.rawValue, close.reason)
    case .request, .acceptConnection, .rejectConnection, .rejectData:
      outcome.violations.append("an event of the handshake")
    }
  }

  package mutating func add(_ event: borrowing BorrowedEvent) {
    switch event {
    case .textMessage(let part):
      message(
        text: true,
        Array(String(copying: part.data).utf8),
        frameFinished: part.frameFinished,
        messageFinished: part.messageFinished
      )
    case .bytesMessage(let part):
      message(
        text: false,
        Array(Bytes(copying: part.data)),
        frameFinished: part.frameFinished,
        messageFinished: part.messageFinished
      )
    case .ping(let bytes): control(.ping(Array(Bytes(copying: bytes))))
    case .pong(let bytes): control(.pong(Array(Bytes(copying: bytes))))
    case .closeConnection(let code, let reason): end(code.rawValue, String(copying: reason))
    case .handshake, .handshakeFailed: outcome.violations.append("an event of the handshake")
    }
  }
}
