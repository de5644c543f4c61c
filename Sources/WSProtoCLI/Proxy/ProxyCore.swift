// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import WSProto
import WSProtoLab
import WSProtoTool

/// Gives the tasks of all connections access to the proxy's run, one at a time, and lets them wait for changes.
actor ProxyCore {
  /// What the command is told.
  struct Plan: Sendable {
    var settings: ProxySettings
    var shown: InspectRun.Arguments
    var isQuiet = false
    var record: GrowingFile?
    var archive: ArchiveFile?
  }

  private let run: ProxyRun
  private var connections: [Int: ProxyConnection] = [:]
  /// Tasks that wait for a connection to change.
  private var waiting: [Int: [CheckedContinuation<Void, Never>]] = [:]
  /// The wall-clock time at the start. Later times are derived from a monotonic clock.
  private let began = CaptureTime(nanoseconds: Int64(Date().timeIntervalSince1970 * 1e9))
  private let beganAt = ContinuousClock.now

  init(_ plan: Plan, _ output: ProxyOutput) {
    var outputs = ProxyRun.Outputs { output.print($0) }
    if let record = plan.record { outputs.record = { record.write($0) } }
    if let archive = plan.archive { outputs.entry = { archive.add($0) } }
    run = ProxyRun(plan.settings, shown: plan.shown, isQuiet: plan.isQuiet, outputs)
  }

  nonisolated var now: CaptureTime {
    CaptureTime(nanoseconds: began.nanoseconds + Int64((ContinuousClock.now - beganAt) / .nanoseconds(1)))
  }

  var hasViolation: Bool { run.hasViolation }

  var count: Int { connections.count }

  // MARK: Connections

  func open(client: Endpoint, server: Endpoint?) -> Int {
    let connection = run.open(client: client, server: server, at: now)
    connections[connection.number] = connection
    return connection.number
  }

  /// A connection is over. Wakes the tasks that wait for it.
  func close(_ number: Int) {
    guard let connection = connections.removeValue(forKey: number) else { return }
    run.close(connection, at: now)
    wake(number)
  }

  func receive(_ bytes: [UInt8], _ number: Int, from sender: Direction) {
    change(number) { $0.receive(bytes, from: sender, at: now) }
  }

  func end(_ number: Int, from sender: Direction) {
    change(number) { $0.end(from: sender, at: now) }
  }

  /// An end has reset its connection.
  ///
  /// - Returns: whether to reset the other end immediately.
  func fail(_ number: Int, from sender: Direction) -> Bool {
    var isAtOnce = true
    change(number) { isAtOnce = $0.fail(from: sender, at: now) }
    return isAtOnce
  }

  func refuse(_ number: Int, _ reason: String) { change(number) { $0.refuse(reason, at: now) } }

  /// Closes all connections, in order.
  func closeAll() {
    for number in connections.keys { change(number) { $0.close(.goingAway, "the proxy stops", at: now) } }
  }

  /// Waits until more input from a sender is wanted. Returns `false` if the connection is over.
  func waitToRead(_ number: Int, from sender: Direction) async -> Bool {
    while let connection = connections[number] {
      if connection.wantsInput(from: sender) { return true }
      await waitForChange(number)
    }
    return false
  }

  /// Waits for the next step of a direction; `nil` if none will come.
  func nextStep(_ number: Int, from sender: Direction) async -> ProxyConnection.Step? {
    while let connection = connections[number] {
      if let step = connection.nextStep(from: sender, at: now) {
        wake(number)
        return step
      }
      await waitForChange(number)
    }
    return nil
  }

  /// A step is being carried out.
  func passed(_ step: ProxyConnection.Step, _ number: Int, from sender: Direction) {
    connections[number]?.passed(step, from: sender, at: now)
  }

  func lost(_ number: Int, from sender: Direction) { connections[number]?.lost(sender, at: now) }

  // MARK: What is typed

  /// - Returns: a message for the user; `nil` if there is nothing to say.
  func typed(_ line: String, waits: Bool) -> String? {
    let input: ProxyInput
    do throws(ProxyInputError) {
      input = try ProxyInput(typed: line)
    } catch {
      return error.description
    }
    defer { wakeAll() }
    return run.take(input, waits: waits, at: now)
  }

  /// The text that is held and will be decided on next.
  var heldText: String? { run.heldText }

  /// No more decisions about held messages will come.
  func endDecisions() {
    run.endDecisions(at: now)
    wakeAll()
  }

  // MARK: Waiting

  private func change(_ number: Int, _ body: (ProxyConnection) -> Void) {
    guard let connection = connections[number] else { return }
    body(connection)
    run.settle(at: now)
    wake(number)
  }

  private func waitForChange(_ number: Int) async {
    await withCheckedContinuation { waiting[number, default: []].append($0) }
  }

  private func wake(_ number: Int) {
    for one in waiting.removeValue(forKey: number) ?? [] { one.resume() }
  }

  private func wakeAll() { for number in waiting.keys { wake(number) } }
}
#endif
