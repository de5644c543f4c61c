// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Shows and records a connection through a proxy, as its receivers see it.
final class ProxyTap {
  let number: Int
  private let conversation: Conversation
  private let recording: SyntheticTCP?
  private let onHeld: (PassingMessage, Direction) -> Void
  private var hasFinished = [false, false]
  private var isClosed = false

  /// - Parameter onHeld: called with each message that waits for a decision, and its sender.
  init(
    _ conversation: Conversation,
    _ recording: SyntheticTCP?,
    onHeld: @escaping (PassingMessage, Direction) -> Void
  ) {
    number = conversation.number
    self.conversation = conversation
    self.recording = recording
    self.onHeld = onHeld
  }

  private static func index(_ sender: Direction) -> Int { sender == .fromClient ? 0 : 1 }

  func bytes(_ bytes: [UInt8], from sender: Direction, at time: CaptureTime) {
    guard !isClosed else { return }
    recording?.data(bytes, from: Self.index(sender), at: time)
    conversation.receive(bytes[...], from: Self.index(sender), at: time)
  }

  func finish(_ sender: Direction, at time: CaptureTime) {
    let index = Self.index(sender)
    guard !isClosed, !hasFinished[index] else { return }
    hasFinished[index] = true
    recording?.finish(from: index, at: time)
    conversation.end(of: index, at: time)
  }

  func note(_ rule: String, _ words: String, from sender: Direction, at time: CaptureTime) {
    guard !isClosed else { return }
    conversation.note(rule, words, from: Self.index(sender), at: time)
  }

  func held(_ message: PassingMessage, from sender: Direction, at time: CaptureTime) {
    onHeld(message, sender)
    note(
      "proxy-held",
      "\(message.name) waits: p passes it, e TEXT edits it, d drops it",
      from: sender,
      at: time
    )
  }

  /// The connection is over. Only the first call counts.
  ///
  /// - Parameter sender: who has reset it.
  func close(_ end: ConnectionEnd, from sender: Direction?, at time: CaptureTime) {
    guard !isClosed else { return }
    if end == .finished {
      finish(.fromClient, at: time)
      finish(.fromServer, at: time)
    } else {
      recording?.reset(from: Self.index(sender ?? .fromClient), at: time)
    }
    isClosed = true
    conversation.close(end, TransportSummary(), at: time)
  }
}
