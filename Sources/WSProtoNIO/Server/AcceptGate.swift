// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Lets a listener accept one connection per read, as long as there is room for it.
///
/// Accepting pauses for a while when the system runs out of a resource that a connection needs, such as descriptors.
final class AcceptGate: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never
  typealias OutboundOut = Never

  /// What the server learns about accepting.
  enum Event: Sendable {
    /// The system refuses to accept a connection. `isNews` is true for the first failure since a connection was
    /// accepted.
    case failing(IOError, isNews: Bool)
    /// A connection was accepted after this number of failures.
    case recovered(failures: Int)
    /// Accepting failed because of the connection, and NIO closes the listener for it. `socket` is another descriptor of
    /// its socket, for a listener that takes its place after a pause; `failures` counts those before this one.
    case interrupted(IOError, failures: Int, socket: CInt?)
    /// The listener failed and accepts nothing more.
    case failed(any Error)
  }

  /// How long accepting pauses after a failure.
  static let pause = TimeAmount.milliseconds(500)

  /// The number of descriptors left to the rest of the process, which may not survive without any: on Linux, the
  /// threads that run tasks trap.
  static func reserve(of descriptors: Int) -> Int { min(32, descriptors / 8) }

  private let limits: ConnectionLimits
  private let isShort: () -> Bool
  private let report: (Event) -> Void
  private var context: ChannelHandlerContext?
  private var isStopped = false
  /// The number of failures since a connection was last accepted.
  private var failures: Int
  private var pauseEnd: Scheduled<Void>?

  /// - Parameters:
  ///   - failures: the number of failures before, if this listener takes the place of another one.
  ///   - isShort: whether the next connection would take one of the reserved descriptors.
  init(
    _ limits: ConnectionLimits,
    failures: Int = 0,
    isShort: @escaping () -> Bool = { Descriptors.areFew },
    report: @escaping (Event) -> Void
  ) {
    self.limits = limits
    self.failures = failures
    self.isShort = isShort
    self.report = report
  }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
    pauseEnd?.cancel()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if failures > 0 {
      report(.recovered(failures: failures))
      failures = 0
    }
    limits.accepted()
    context.fireChannelRead(data)
  }

  func read(context: ChannelHandlerContext) {
    if !isStopped, mayAccept(context) { context.read() }
  }

  /// Whether there is room for a connection. If not, accepting stops until there may be.
  private func mayAccept(_ context: ChannelHandlerContext) -> Bool {
    guard limits.mayAccept(NIOLoopBound(self, eventLoop: context.eventLoop)) else {
      isStopped = true
      return false
    }
    guard isShort() else { return true }
    pause(context, IOError(errnoCode: EMFILE, reason: "few descriptors are left"))
    return false
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    switch (error as? IOError).map({ ($0, Self.kind(of: $0.errnoCode)) }) {
    case (let error, .shortage)?: pause(context, error)
    case (let error, .connection)?:
      let socket: CInt?? = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable {
        (socket: NIOBSDSocket.Handle) in Descriptors.duplicate(socket)
      }
      report(.interrupted(error, failures: failures, socket: socket ?? nil))
    case (_, .other)?, nil:
      report(.failed(error))
      context.fireErrorCaught(error)
    }
  }

  private func pause(_ context: ChannelHandlerContext, _ error: IOError) {
    report(.failing(error, isNews: failures == 0))
    failures += 1
    guard pauseEnd == nil else { return }
    isStopped = true
    // A failed read stays pending: without this, the event loop would retry it at once, over and over.
    try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    pauseEnd = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
      self.pauseEnd = nil
      self.goOn()
    }
  }

  /// What an error of `accept` is about.
  private enum ErrorKind {
    /// A shortage that passes, or a connection that is gone. NIO keeps the listener.
    case shortage
    /// The connection: Linux reports its network errors, and the rules of a firewall, in this way. NIO closes the listener.
    case connection
    /// The listener.
    case other
  }

  private static func kind(of errno: CInt) -> ErrorKind {
    switch errno {
    case EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM: return .shortage
    case EPROTO, EPERM, ENOPROTOOPT, EOPNOTSUPP, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ETIMEDOUT,
      ECONNRESET:
      return .connection
    default:
      #if os(Linux)
      if errno == ENONET { return .connection }
      #endif
      return .other
    }
  }

  /// Resumes accepting if there is room again.
  func goOn() {
    guard pauseEnd == nil, let context else { return }
    isStopped = false
    guard mayAccept(context) else { return }
    try? context.channel.syncOptions?.setOption(.autoRead, value: true)
    context.read()
  }
}
#endif
