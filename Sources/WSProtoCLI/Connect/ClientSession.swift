// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import NIOCore
import Synchronization
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// What asks a session to end from outside of it: a signal, a time limit, output that nobody reads.
final class StopRequest: Sendable {
  enum Cause: Sendable {
    case signal(Int32)
    case timeout
    case failure(ToolFailure)
  }

  private struct State {
    var cause: Cause?
    var waiters: [UInt64: CheckedContinuation<Cause?, Never>] = [:]
    var lastNumber: UInt64 = 0
  }

  private let state = Mutex(State())

  var cause: Cause? { state.withLock { $0.cause } }

  /// The first request counts.
  func ask(_ cause: Cause) {
    let waiters = state.withLock { state in
      guard state.cause == nil else { return [] as [CheckedContinuation<Cause?, Never>] }
      state.cause = cause
      defer { state.waiters = [:] }
      return Array(state.waiters.values)
    }
    for waiter in waiters { waiter.resume(returning: cause) }
  }

  /// Waits for a request; `nil` if the task is cancelled before.
  func wait() async -> Cause? {
    let number = state.withLock { state in
      state.lastNumber += 1
      return state.lastNumber
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { waiter in
        let cause: Cause?? = state.withLock { state in
          if let cause = state.cause { return cause }
          if Task.isCancelled { return .some(nil) }
          state.waiters[number] = waiter
          return nil
        }
        if let cause { waiter.resume(returning: cause) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: nil)
    }
  }
}

/// One open connection of `connect`: what is put in goes out, what comes is shown, until one of the reasons to end.
///
/// The end of the input ends nothing: the session reads on until the server closes, `count` messages have come, or `wait`
/// has passed. Whatever ends it, this end sends a Close, and shows what comes before the server's.
final class ClientSession: Sendable {
  struct Options: Sendable {
    var close = CloseConnection(code: .normalClosure)
    /// Ends when so many messages have come.
    var count: Int?
    /// Ends so long after the end of the input.
    var wait: Duration?
    /// Ends with the input.
    var closesOnEndOfInput = false
    /// Sent before the input.
    var first: [InputItem] = []
    /// The size of a frame's payload.
    var fragment: Int?
    /// How the address is shown.
    var url = ""
  }

  private enum Ending: Sendable {
    /// The connection has ended by the server, or by what went wrong with it; `nil` for an orderly end.
    case connection(WebSocketClosed?)
    /// What the user has asked for has come, or was typed.
    case done(CloseConnection)
    case stopped(StopRequest.Cause)
  }

  private struct State {
    var received = 0
    /// Pings and pongs that came behind so many messages of this connection, which are not shown yet.
    var controlFrames: [(position: Int, frame: ControlFrameObserver.Frame)] = []
    /// Those for which there was no room.
    var omitted = 0
    /// Messages of this connection that were shown.
    var shown = 0
    /// What was not sent when a connection was lost.
    var unsent: InputItem?
    var hasSentFirst = false
  }

  private let options: Options
  private let input: InputQueue
  private let output: ClientOutput
  private let stop: StopRequest
  private let state = Mutex(State())

  init(_ options: Options, _ input: InputQueue, _ output: ClientOutput, _ stop: StopRequest) {
    self.options = options
    self.input = input
    self.output = output
    self.stop = stop
  }

  /// Talks until the connection has ended.
  ///
  /// - Throws: ``ToolFailure`` for an end that the user has not asked for; `WebSocketClosed` where the connection is lost, so
  ///   that another one may be opened.
  func run(_ socket: WebSocket) async throws {
    state.withLock { $0.shown = 0 }
    try output.opened(socket, options.url)
    let (ending, close) = await withTaskGroup(of: Ending?.self) { group in
      group.addTask { await self.receive(socket) }
      group.addTask { await self.send(socket) }
      group.addTask { await self.stop.wait().map { .stopped($0) } }
      var ending = Ending.connection(nil)
      for await one in group {
        guard let one else { continue }
        ending = one
        break
      }
      // What has come before the server's Close is shown meanwhile.
      let close = try? await socket.close(
        code: self.close(for: ending).code,
        reason: self.close(for: ending).reason
      )
      group.cancelAll()
      return (ending, close)
    }
    try end(ending, close, socket.closed)
  }

  private func close(for ending: Ending) -> CloseConnection {
    switch ending {
    case .connection: CloseConnection(code: .normalClosure)
    case .done(let close): close
    case .stopped(.failure): options.close
    case .stopped: CloseConnection(code: .goingAway)
    }
  }

  /// What the end means for the exit status.
  private func end(_ ending: Ending, _ close: CloseConnection?, _ closed: WebSocketClosed?) throws {
    if let close {
      try output.closed(close.code, close.reason)
    } else {
      try output.closed(.abnormalClosure, nil)
    }
    switch ending {
    case .stopped(let cause): throw ToolFailure(cause)
    case .connection(let failed?):
      // Asked for with this code.
      if case .peer = failed.cause, failed.code == options.close.code { return }
      throw failed
    case .connection(nil): return
    case .done(let asked):
      guard let close else {
        guard let closed, closed.cause != .local else {
          throw ToolFailure(.lost, "the server has ended the connection without an answer to the Close")
        }
        throw ToolFailure(closed)
      }
      let orderly: [CloseReason] = [.normalClosure, .goingAway, .noStatusRcvd, asked.code]
      if !orderly.contains(close.code) {
        throw ToolFailure(WebSocketClosed(code: close.code, reason: close.reason, cause: .peer))
      }
    }
  }

  // MARK: Receiving

  private func receive(_ socket: WebSocket) async -> Ending? {
    do {
      for try await message in socket.messages {
        try output.message(message)
        let count = try messageShown()
        if let limit = options.count, count >= limit { return .done(options.close) }
      }
      try flushControlFrames()
      return .connection(nil)
    } catch let closed as WebSocketClosed {
      try? flushControlFrames()
      return .connection(closed)
    } catch let failure as ToolFailure {
      return .stopped(.failure(failure))
    } catch {
      return nil
    }
  }

  /// A message was shown; how many that makes in all.
  private func messageShown() throws(ToolFailure) -> Int {
    let count = state.withLock { state in
      state.shown += 1
      state.received += 1
      return state.received
    }
    try flushControlFrames()
    return count
  }

  /// A ping or a pong has come behind so many messages: shown at once, or after them.
  func received(_ frame: ControlFrameObserver.Frame, behind position: Int) {
    guard output.showsControlFrames else { return }
    state.withLock { state in
      // A message may wait for as long as nobody reads the output, and the server may send pings meanwhile.
      if state.controlFrames.count < Self.maxControlFrames {
        state.controlFrames.append((position, frame))
      } else {
        state.omitted += 1
      }
    }
    try? flushControlFrames()
  }

  private static let maxControlFrames = 1000

  private func flushControlFrames() throws(ToolFailure) {
    let (due, omitted) = state.withLock { state in
      let due = state.controlFrames.prefix { $0.position <= state.shown }
      state.controlFrames.removeFirst(due.count)
      guard state.controlFrames.isEmpty else { return (due, 0) }
      defer { state.omitted = 0 }
      return (due, state.omitted)
    }
    for one in due { try output.control(one.frame) }
    if omitted > 0 { try output.omitted(omitted) }
  }

  // MARK: Sending

  private func send(_ socket: WebSocket) async -> Ending? {
    let first = state.withLock { state in
      defer { state.hasSentFirst = true }
      return state.hasSentFirst ? [] : options.first
    }
    do {
      for item in first { if let ending = try await send(item, socket) { return ending } }
      while let item = try await nextItem() {
        state.withLock { $0.unsent = item }
        if let ending = try await send(item, socket) { return ending }
        state.withLock { $0.unsent = nil }
      }
      if Task.isCancelled { return nil }
      if options.closesOnEndOfInput { return .done(options.close) }
      guard let wait = options.wait else { return nil }
      try await Task.sleep(for: wait)
      return .done(options.close)
    } catch let failure as ToolFailure {
      return .stopped(.failure(failure))
    } catch {
      // The end of the connection is the receiving task's to tell; it may have a Close that says more.
      return nil
    }
  }

  /// The next item; `nil` at the end of the input.
  private func nextItem() async throws -> InputItem? {
    if let unsent = state.withLock({ $0.unsent }) { return unsent }
    switch await input.next() {
    case .item(let item): return item
    case .end: return nil
    case .failed(let failure): throw failure
    case .cancelled: throw CancellationError()
    }
  }

  private func send(_ item: InputItem, _ socket: WebSocket) async throws -> Ending? {
    switch item {
    case .text(let text): try await send(WebSocketMessage.text(text), socket)
    case .binary(let bytes): try await send(WebSocketMessage.binary(bytes), socket)
    case .file(let path):
      guard let data = FileManager.default.contents(atPath: path) else {
        try output.note("the file \(shownInQuotes(path)) cannot be read", always: true)
        return nil
      }
      try await send(WebSocketMessage.binary(ByteBuffer(bytes: data)), socket)
    case .ping:
      // Not waited for: what follows goes out meanwhile.
      Task { [output] in try? output.latency(try await socket.ping()) }
    case .pong(let payload): socket.pong(Bytes(payload))
    case .close(let code, let reason): return .done(CloseConnection(code: CloseReason(code), reason: reason))
    case .help: for line in InputItem.commands { try output.note(line, always: true) }
    }
    try output.sent(item)
    return nil
  }

  private func send(_ message: WebSocketMessage, _ socket: WebSocket) async throws {
    guard let fragment = options.fragment else { return try await socket.send(message) }
    try await socket.send(message, inFramesOf: fragment)
  }
}

extension ToolFailure {
  init(_ cause: StopRequest.Cause) {
    switch cause {
    case .signal(SIGTERM): self.init(.terminated, "")
    case .signal: self.init(.interrupted, "")
    case .timeout: self.init(.timedOut, "the time limit (--timeout) has passed")
    case .failure(let failure): self = failure
    }
  }
}
#endif
