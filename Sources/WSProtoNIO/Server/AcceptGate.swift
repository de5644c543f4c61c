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

/// In a listener's pipeline: lets it accept, one connection a read, while there is room.
///
/// Where the system is short of what a connection takes, such as descriptors, accepting pauses for a while and goes on.
final class AcceptGate: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  typealias OutboundIn = Never
  typealias OutboundOut = Never

  /// What is news about accepting.
  enum Event: Sendable {
    /// The system refuses a connection, for the first time since one was accepted or once more.
    case failing(IOError, isNews: Bool)
    /// A connection was accepted after so many failures.
    case recovered(failures: Int)
    /// The listener has failed, and accepts nothing more.
    case failed(any Error)
  }

  /// How long nothing is accepted after a failure.
  static let pause = TimeAmount.milliseconds(500)

  /// How many of a process' descriptors are left to the rest of it, which may fare badly without one: on Linux, the threads
  /// that run tasks trap.
  static func reserve(of descriptors: Int) -> Int { min(32, descriptors / 8) }

  private let limits: ConnectionLimits
  private let isShort: () -> Bool
  private let report: (Event) -> Void
  private var context: ChannelHandlerContext?
  private var isStopped = false
  /// Failures since a connection was accepted.
  private var failures = 0
  private var pauseEnd: Scheduled<Void>?

  /// - Parameter isShort: whether the next connection would take a descriptor of the reserve.
  init(
    _ limits: ConnectionLimits,
    isShort: @escaping () -> Bool = { Descriptors.areFew },
    report: @escaping (Event) -> Void
  ) {
    self.limits = limits
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

  /// Whether there is room for a connection; if not, accepting has stopped until there may be.
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
    guard let error = error as? IOError, Self.isTemporary(error.errnoCode) else {
      report(.failed(error))
      return context.fireErrorCaught(error)
    }
    pause(context, error)
  }

  private func pause(_ context: ChannelHandlerContext, _ error: IOError) {
    report(.failing(error, isNews: failures == 0))
    failures += 1
    guard pauseEnd == nil else { return }
    isStopped = true
    // A read that has failed stays due: without this, the event loop would try it again at once, and for ever.
    try? context.channel.syncOptions?.setOption(.autoRead, value: false)
    pauseEnd = context.eventLoop.assumeIsolated().scheduleTask(in: Self.pause) {
      self.pauseEnd = nil
      self.goOn()
    }
  }

  /// Whether `errno` is about this connection, or a shortage that passes.
  private static func isTemporary(_ errno: CInt) -> Bool {
    [EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM].contains(errno)
  }

  /// There is room again.
  func goOn() {
    guard pauseEnd == nil, let context else { return }
    isStopped = false
    guard mayAccept(context) else { return }
    try? context.channel.syncOptions?.setOption(.autoRead, value: true)
    context.read()
  }
}

/// The descriptors of this process.
private enum Descriptors {
  /// Whether the next one would be of ``AcceptGate/reserve(of:)``. They are given out from the lowest on.
  static var areFew: Bool {
    let next = dup(2)
    // A process without a standard error has only the system's word for it.
    guard next >= 0 else { return errno == EMFILE }
    close(next)
    var limit = rlimit()
    #if canImport(Glibc)
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return false }
    #else
    guard getrlimit(RLIMIT_NOFILE, &limit) == 0 else { return false }
    #endif
    let most = Int(clamping: limit.rlim_cur)
    return Int(next) >= most - AcceptGate.reserve(of: most)
  }
}
#endif
