// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The settings shared by all connections through a proxy.
package struct ProxySettings: Sendable {
  package var target: ProxyTarget
  /// The rules, in order.
  var rules: [NumberedRule] = []
  /// The seed for the rules' random choices.
  package var seed: UInt64 = 0
  /// The most bytes of a message that is collected for a rule, both on the wire and inflated. Larger ones pass untouched.
  package var maxHeldBytes = 1 << 20
  /// How many bytes may wait for one receiver before reading from the sender pauses.
  package var maxWaitingBytes = 256 << 10

  package init(target: ProxyTarget) { self.target = target }

  /// Whether a rule holds messages.
  package var holds: Bool { rules.contains { $0.rule.action == .hold } }

  /// Adds a rule, with the next number.
  package mutating func add(_ rule: ProxyRule) {
    rules.append(NumberedRule(number: rules.count + 1, rule: rule))
  }
}

/// The user's decision about a held message.
package enum HeldDecision: Equatable, Sendable {
  case pass
  /// Send it with this content instead.
  case edit([UInt8])
  case drop
}

/// The command `wsproto proxy` without its sockets: all connections, their recordings, and the lines that show them.
package final class ProxyRun {
  /// Where its output goes.
  package struct Outputs {
    /// Called with each line to write, without its end.
    package var line: (String) -> Void
    /// Called with the next bytes of a pcapng file; `nil` for none.
    package var record: (([UInt8]) -> Void)?
    /// Called with each entry of a HAR; `nil` for none.
    package var entry: (([UInt8]) -> Void)?

    package init(line: @escaping (String) -> Void) { self.line = line }
  }

  private struct Held {
    var connection: ProxyConnection
    var sender: Direction
  }

  private let settings: ProxySettings
  private let output: InspectionOutput
  private let printer: ObservationPrinter
  private let recorder: PcapngWriter?
  /// Connections that are open, by number.
  private var connections: [Int: ProxyConnection] = [:]
  private var heldMessages: [Held] = []
  /// Decisions made before the messages they are about were held.
  private var decisions: [HeldDecision] = []
  /// Whether no more decisions will come. Held messages then pass.
  private var areDecisionsOver = false

  /// - Parameters:
  ///   - shown: how to show the traffic, as for `inspect`.
  ///   - isQuiet: whether to show nothing.
  package init(_ settings: ProxySettings, shown: InspectRun.Arguments, isQuiet: Bool, _ outputs: Outputs) {
    self.settings = settings
    let printer = ObservationPrinter(shown) { if !isQuiet { outputs.line($0) } }
    self.printer = printer
    var options = shown.inspectionOptions
    var archive: HARWriter?
    if let entry = outputs.entry {
      options.messageBytes = max(options.messageBytes, HARWriter.maxMessageBytes)
      archive = HARWriter(url: settings.target.url(of:), entry)
    }
    recorder = outputs.record.map { PcapngWriter($0) }
    output = InspectionOutput(options) { observation in
      printer.take(observation)
      archive?.take(observation)
    }
  }

  /// Whether a rule of an RFC was broken.
  package var hasViolation: Bool { printer.hasViolation }

  /// Begins a connection. Pass no server if the target cannot be reached and the connection will be refused.
  package func open(client: Endpoint, server: Endpoint?, at time: CaptureTime) -> ProxyConnection {
    let server = server ?? Endpoint.unknown
    let conversation = Conversation(output, opener: client, other: server, isComplete: true)
    let recording = recorder.map {
      SyntheticTCP($0, client: client, server: server, isSecure: settings.target.isSecure, at: time)
    }
    let held = HeldHook()
    let tap = ProxyTap(conversation, recording) { held.call?($1) }
    let connection = ProxyConnection(settings, tap)
    held.call = { [weak self, weak connection] sender in
      if let connection { self?.heldMessages.append(Held(connection: connection, sender: sender)) }
    }
    connections[connection.number] = connection
    return connection
  }

  private final class HeldHook { var call: ((Direction) -> Void)? }

  /// A connection is over.
  package func close(_ connection: ProxyConnection, at time: CaptureTime) {
    connection.closed(at: time)
    connections[connection.number] = nil
    heldMessages.removeAll { $0.connection === connection }
  }

  // MARK: Held messages and injections

  /// Applies waiting decisions to held messages. Call it after each input.
  package func settle(at time: CaptureTime) {
    while let held = heldMessages.first {
      guard held.connection.isHolding(from: held.sender) else {
        heldMessages.removeFirst()
        continue
      }
      guard let decision = decisions.isEmpty ? areDecisionsOver ? .pass : nil : decisions.removeFirst() else {
        return
      }
      heldMessages.removeFirst()
      held.connection.resolve(decision, from: held.sender, at: time)
    }
  }

  /// The held message that the next decision applies to; `nil` if there is none, or it isn't a text of at most 4 KiB.
  package var heldText: String? {
    let held = heldMessages.first { $0.connection.isHolding(from: $0.sender) }
    guard let held, let content = held.connection.heldContent(from: held.sender), content.count <= 4096 else {
      return nil
    }
    return String(validating: content, as: UTF8.self)
  }

  /// No more decisions will come: held messages pass from now on.
  package func endDecisions(at time: CaptureTime) {
    areDecisionsOver = true
    settle(at: time)
  }

  /// Carries out a line that was typed.
  ///
  /// - Parameter waits: whether a decision may come before the message that it is about.
  /// - Returns: a message for the user; `nil` if there is nothing to say.
  package func take(_ input: ProxyInput, waits: Bool, at time: CaptureTime) -> String? {
    switch input {
    case .decide(let decision):
      guard waits || !heldMessages.isEmpty else { return "nothing is held" }
      guard decisions.count < 10_000 else { return "too many decisions wait" }
      decisions.append(decision)
      settle(at: time)
      return nil
    case .inject(let injection, let receiver, let number):
      guard let number = number ?? connections.keys.max(), let connection = connections[number] else {
        return number.map { "there is no connection #\($0)" } ?? "there is no connection"
      }
      let sender: Direction = receiver == .toServer ? .fromClient : .fromServer
      guard connection.inject(injection, from: sender, at: time) else {
        return "#\(number) takes no frame: it is no open WebSocket, or too many wait already"
      }
      return nil
    }
  }
}
