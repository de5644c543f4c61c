// SPDX-License-Identifier: Apache-2.0

/// A server of a test: it answers the handshakes of all that connect, and keeps their connections until they are taken.
actor ScenarioServer {
  private let listener: any ScenarioListener
  private let answer: ScenarioPeer.Answer
  private var open: [ScenarioLink] = []
  /// Those that are open, and those whose handshake is under way.
  private var all: [ScenarioLink] = []
  private var isClosed = false

  /// How many connections may wait to be taken.
  private static let maxWaiting = 64

  init(_ listener: any ScenarioListener, _ answer: ScenarioPeer.Answer) {
    self.listener = listener
    self.answer = answer
  }

  func start() { Task { await run() } }

  private func run() async {
    while !isClosed, let stream = await listener.accept() {
      let link = ScenarioLink(stream, answering: answer)
      guard all.count < Self.maxWaiting, !isClosed else {
        await stream.close()
        continue
      }
      all.append(link)
      await link.start()
      Task { await open(link) }
    }
  }

  private func open(_ link: ScenarioLink) async {
    let deadline = ContinuousClock.now + .seconds(10)
    if case .opened = await link.next(until: deadline) {
      open.append(link)
    } else {
      all.removeAll { $0 === link }
    }
  }

  /// The next connection that is open; `nil` if none comes in time.
  func take(until deadline: ContinuousClock.Instant) async -> ScenarioLink? {
    while open.isEmpty {
      guard ContinuousClock.now < deadline else { return nil }
      try? await Task.sleep(for: .milliseconds(5))
    }
    let link = open.removeFirst()
    all.removeAll { $0 === link }
    return link
  }

  func close() async {
    isClosed = true
    await listener.close()
    for link in all { await link.disconnect() }
  }
}
