// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import Synchronization
import WSProtoNIO

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The bytes of a TCP or TLS connection, or of a Unix socket, as a command that sees to the protocol itself needs them.
///
/// One task reads at a time, and one writes. Whoever has it closes it, by ``close()`` or ``reset()``.
final class ByteStream: Sendable {
  /// What a read has given.
  enum Reading: Sendable, Equatable {
    /// At least one byte.
    case bytes([UInt8])
    /// The peer sends nothing any more. Writing is still possible where only the peer's direction has ended.
    case end
    /// The time has passed, and there was nothing.
    case timedOut
  }

  /// Why a stream can't be used any more.
  enum Failure: Error, Equatable, CustomStringConvertible {
    /// Closed by this end.
    case closed
    /// The peer has reset the connection (RST), or has gone.
    case reset
    /// In the words of the system, or of the TLS library.
    case lost(String)

    var description: String {
      switch self {
      case .closed: "the connection was closed by this end"
      case .reset: "the connection was reset by the peer"
      case .lost(let text): "the connection was lost: \(text)"
      }
    }

    init(_ error: any Error) {
      switch error {
      case let error as Failure: self = error
      case let error as IOError where error.errnoCode == ECONNRESET || error.errnoCode == EPIPE: self = .reset
      case ChannelError.ioOnClosedChannel, ChannelError.alreadyClosed, ChannelError.outputClosed,
        ChannelError.eof:
        self = .closed
      default: self = .lost("\(error)")
      }
    }
  }

  let channel: any Channel
  private let state = Mutex(State())

  private struct State {
    var bytes: [UInt8] = []
    /// What comes after the bytes; `nil` while there may be more.
    var end: Result<Void, Failure>?
    var waiting: (id: Int, continuation: CheckedContinuation<Reading, any Error>)?
    var lastID = 0
    /// Ends the read that waits.
    var timer: Scheduled<Void>?
    /// The channel wanted to read, and there was no room.
    var isHolding = false

    mutating func take() -> Result<Reading, any Error>? {
      if !bytes.isEmpty {
        defer { bytes = [] }
        return .success(.bytes(bytes))
      }
      return end?.map { .end }.mapError { $0 }
    }
  }

  /// Above so many bytes that nobody has read, nothing is taken from the network.
  static let bufferBytes = 64 << 10

  init(_ channel: any Channel) { self.channel = channel }

  // MARK: Reading

  /// The bytes that are there, or the next that come.
  ///
  /// - Parameter limit: how long to wait for them; `nil` for ever.
  /// - Throws: ``Failure``, when the bytes before it have been read; `CancellationError`: nothing is lost then.
  func read(within limit: Duration? = nil) async throws -> Reading {
    let id = state.withLock { state in
      state.lastID += 1
      return state.lastID
    }
    defer {
      stopTimer()
      readOn()
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result = state.withLock { state in
          precondition(state.waiting == nil, "one task reads at a time")
          let result = state.take()
          if result == nil { state.waiting = (id, continuation) }
          return result
        }
        if let result { continuation.resume(with: result) }
        // Otherwise a cancellation that came before would not be noticed.
        if Task.isCancelled { resume(id, .failure(CancellationError())) }
        if result == nil, let limit { startTimer(limit, id) }
      }
    } onCancel: {
      resume(id, .failure(CancellationError()))
    }
  }

  /// Once the read waits: a limit that passed before would not be noticed.
  private func startTimer(_ limit: Duration, _ id: Int) {
    let timer = channel.eventLoop.scheduleTask(in: TimeAmount(clamped: max(limit, .zero))) {
      self.resume(id, .success(.timedOut))
    }
    state.withLock { $0.timer = timer }
  }

  private func stopTimer() {
    let timer = state.withLock { state in
      defer { state.timer = nil }
      return state.timer
    }
    timer?.cancel()
  }

  /// Resumes the read with that number, if it waits.
  private func resume(_ id: Int, _ result: Result<Reading, any Error>) {
    let continuation = state.withLock { state -> CheckedContinuation<Reading, any Error>? in
      guard let waiting = state.waiting, waiting.id == id else { return nil }
      state.waiting = nil
      return waiting.continuation
    }
    continuation?.resume(with: result)
  }

  /// Resumes the read that waits, if there is something for it.
  private func change(_ body: (inout State) -> Void) {
    let (continuation, result) = state.withLock {
      state -> (CheckedContinuation<Reading, any Error>?, Result<Reading, any Error>?) in
      body(&state)
      guard let waiting = state.waiting, let result = state.take() else { return (nil, nil) }
      state.waiting = nil
      return (waiting.continuation, result)
    }
    if let result { continuation?.resume(with: result) }
  }

  /// Lets the channel read, if it wanted to.
  private func readOn() {
    let isHolding = state.withLock { state in
      guard state.isHolding, state.bytes.count < Self.bufferBytes else { return false }
      state.isHolding = false
      return true
    }
    if isHolding { channel.read() }
  }

  fileprivate func received(_ bytes: ByteBuffer) {
    change { $0.bytes.append(contentsOf: bytes.readableBytesView) }
  }

  fileprivate func ended(_ end: Result<Void, Failure>) {
    change { $0.end = $0.end ?? end }
  }

  /// Whether the channel may read now.
  fileprivate func hasRoom() -> Bool {
    state.withLock { state in
      state.isHolding = state.bytes.count >= Self.bufferBytes
      return !state.isHolding
    }
  }

  // MARK: Writing

  /// Writes all of it: returns when the system has taken the last byte.
  ///
  /// A task that is cancelled meanwhile closes the connection: a part of the bytes may have been sent.
  ///
  /// - Throws: ``Failure``; `CancellationError`.
  func write(_ bytes: some Sequence<UInt8>) async throws {
    try Task.checkCancellation()
    let channel = channel
    try await withTaskCancellationHandler {
      do {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
      } catch {
        try Task.checkCancellation()
        throw Failure(error)
      }
    } onCancel: {
      close()
    }
  }

  /// Ends this end's direction (FIN): the peer reads the end of the stream, and can still send.
  ///
  /// - Throws: ``Failure``.
  func finish() async throws {
    do {
      try await channel.close(mode: .output).get()
    } catch {
      throw Failure(error)
    }
  }

  /// Closes both directions; what the peer has sent and nobody has read is lost. Later calls do nothing.
  func close() {
    ended(.failure(.closed))
    channel.close(promise: nil)
  }

  /// Closes the connection by RST: bytes that are under way in either direction are lost. Later calls do nothing.
  func reset() {
    ended(.failure(.closed))
    let channel = channel
    channel.eventLoop.execute {
      guard let options = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
      // Set at once, being on the event loop. A Unix socket takes it, and knows no RST.
      _ = options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
      // Below TLS, which would say goodbye first.
      let transport = try? channel.pipeline.syncOperations.context(handlerType: TransportEnd.self)
      if let transport { transport.close(promise: nil) } else { channel.close(promise: nil) }
    }
  }

  /// Waits until the connection is closed, in both directions.
  func closed() async { try? await channel.closeFuture.get() }
}

/// Stands next to the socket, below TLS.
final class TransportEnd: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
}

/// Takes what a channel reads to its stream, and holds reads back while the stream has no room.
final class ByteStreamHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer

  private let stream: ByteStream

  init(_ stream: ByteStream) { self.stream = stream }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    stream.received(Self.unwrapInboundIn(data))
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .some(.inputClosed) = event as? ChannelEvent { stream.ended(.success(())) }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let end = ByteStreamOpening.end(error) { stream.ended(end) }
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    stream.ended(.success(()))
    context.fireChannelInactive()
  }

  func read(context: ChannelHandlerContext) {
    if stream.hasRoom() { context.read() }
  }
}

@available(*, unavailable)
extension ByteStreamHandler: Sendable {}
@available(*, unavailable)
extension TransportEnd: Sendable {}
#endif
