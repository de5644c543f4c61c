// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Synchronization
import WSProtoLab
import WSProtoTool

/// Accepts connections until a signal arrives, then closes the open ones in order.
struct ProxyServer: Sendable {
  let listener: ByteStreamListener
  let core: ProxyCore
  let output: ProxyOutput

  /// How long closing may take.
  private static let patience = Duration.seconds(5)

  /// - Parameters:
  ///   - readsInput: whether to read decisions and injections.
  ///   - announce: called once signals are handled and before anything else is shown.
  ///   - serve: called with each connection.
  func run(
    readsInput: Bool,
    announce: () -> Void,
    serve: @escaping @Sendable (ByteStream) async -> Void
  ) async throws {
    let (signals, signal) = AsyncStream<Int32>.makeStream()
    try Signals.handle { number in
      if Self.hasBeenTold.exchange(true, ordering: .relaxed) { leaveProcess(128 + number) }
      signal.yield(number)
    }
    announce()
    let prompt = readsInput ? try ProxyPrompt(output) : nil
    let limit = max(1, Descriptors.available() / 2)
    let serving = Task {
      let open = Atomic<Int>(0)
      try await listener.serve { stream in
        defer { open.subtract(1, ordering: .relaxed) }
        guard open.add(1, ordering: .relaxed).newValue <= limit else {
          return output.printNote("a connection was closed: \(limit) are open")
        }
        await serve(stream)
      }
    }
    let typing = Task { if let prompt { await prompt.run(core, output) } else { await core.endDecisions() } }
    for await _ in signals { break }
    listener.close()
    await core.closeAll()
    let deadline = ContinuousClock.now + Self.patience
    while await core.count > 0, ContinuousClock.now < deadline {
      try? await Task.sleep(for: .milliseconds(20))
    }
    serving.cancel()
    typing.cancel()
    _ = await serving.result
    prompt?.stop()
  }

  /// Whether a signal has arrived. A second one ends the process.
  private static let hasBeenTold = Atomic<Bool>(false)
}
#endif
