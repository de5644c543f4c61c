// SPDX-License-Identifier: Apache-2.0

@testable import WSProtoLab

/// Connections in memory: who connects gets one end of a pair, who listens the other.
final class MemoryNetwork: ScenarioNetwork {
  private let hub = Hub()

  func connect(to url: String, insecure: Bool, within limit: Duration) async throws(ScenarioFailure)
    -> ScenarioOpening
  {
    guard url.hasPrefix("ws://") else { throw ScenarioFailure("no ws:// in \(url)") }
    let rest = url.dropFirst(5)
    let address = String(rest.prefix { $0 != "/" })
    let (ours, theirs) = MemoryStream.pair()
    guard await hub.give(theirs, to: address) else { throw ScenarioFailure("nobody listens at \(address)") }
    let target = String(rest.dropFirst(address.count))
    return ScenarioOpening(stream: ours, host: address, target: target.isEmpty ? "/" : target)
  }

  func listen(at address: String) async throws(ScenarioFailure) -> any ScenarioListener {
    let listener = MemoryListener(address: address)
    await hub.add(listener)
    return listener
  }

  private actor Hub {
    private var listeners: [MemoryListener] = []

    func add(_ listener: MemoryListener) { listeners.append(listener) }

    func give(_ stream: MemoryStream, to address: String) async -> Bool {
      guard let listener = listeners.last(where: { $0.address == address }) else { return false }
      return await listener.give(stream)
    }
  }
}

/// A listener in memory.
final class MemoryListener: ScenarioListener {
  let address: String
  private let queue = Mailbox<MemoryStream>()

  init(address: String) { self.address = address }

  func give(_ stream: MemoryStream) async -> Bool { await queue.put(stream) }

  func accept() async -> (any ScenarioStream)? { await queue.take() }

  func close() async { await queue.close() }
}

/// One end of a connection in memory.
final class MemoryStream: ScenarioStream {
  private let incoming: Mailbox<[UInt8]>
  private let outgoing: Mailbox<[UInt8]>

  private init(_ incoming: Mailbox<[UInt8]>, _ outgoing: Mailbox<[UInt8]>) {
    self.incoming = incoming
    self.outgoing = outgoing
  }

  static func pair() -> (MemoryStream, MemoryStream) {
    let (one, other) = (Mailbox<[UInt8]>(), Mailbox<[UInt8]>())
    return (MemoryStream(one, other), MemoryStream(other, one))
  }

  struct Closed: Error {}

  func write(_ bytes: [UInt8]) async throws { guard await outgoing.put(bytes) else { throw Closed() } }

  func read() async throws -> [UInt8]? { await incoming.take() }

  func finish() async { await outgoing.close() }

  func reset() async { await close() }

  func close() async {
    await outgoing.close()
    await incoming.close()
  }
}

/// A queue with an end.
actor Mailbox<Item: Sendable> {
  private var items: [Item] = []
  private var waiters: [CheckedContinuation<Item?, Never>] = []
  private var isClosed = false

  func put(_ item: Item) -> Bool {
    guard !isClosed else { return false }
    if waiters.isEmpty {
      items.append(item)
    } else {
      waiters.removeFirst().resume(returning: item)
    }
    return true
  }

  func take() async -> Item? {
    if !items.isEmpty { return items.removeFirst() }
    if isClosed { return nil }
    return await withCheckedContinuation { waiters.append($0) }
  }

  func close() {
    isClosed = true
    for waiter in waiters { waiter.resume(returning: nil) }
    waiters = []
  }
}
