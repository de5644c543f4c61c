// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// Two ends of WSProto with a proxy between them, and a clock that is told the time.
final class Proxied {
  /// What an end has been sent, one line each: `text hello`, `close 1000`, `protocol error`.
  private(set) var received: [ConnectionType: [String]] = [.client: [], .server: []]
  /// The bytes that each sender's receiver got.
  private(set) var delivered: [Direction: [UInt8]] = [.fromClient: [], .fromServer: []]
  /// Milliseconds at which each write was due, by its sender.
  private(set) var times: [Direction: [Int]] = [.fromClient: [], .fromServer: []]
  /// The sizes of the writes, by their sender.
  private(set) var writes: [Direction: [Int]] = [.fromClient: [], .fromServer: []]
  private(set) var finished: [Direction] = []
  private(set) var isReset = false
  private(set) var lines: [String] = []
  private(set) var record: [UInt8] = []
  private(set) var entries: [String] = []
  let run: ProxyRun
  let connection: ProxyConnection
  let client = WSConnection(.client)
  let server: WSConnection
  private var now = CaptureTime(nanoseconds: 1_700_000_000_000_000_000)

  /// - Parameter extensions: offered by the client, and accepted by the server.
  init(
    _ rules: [String] = [],
    seed: UInt64 = 1,
    maxHeldBytes: Int = 1 << 20,
    path: String = "/",
    client address: [UInt8] = [127, 0, 0, 1],
    isSecure: Bool = false,
    extensions: [any Extension] = []
  ) throws {
    var settings = ProxySettings(
      target: ProxyTarget(authority: "target.example", isSecure: isSecure, path: path)
    )
    for rule in rules { settings.add(try ProxyRule(rule)) }
    settings.seed = seed
    settings.maxHeldBytes = maxHeldBytes
    let told = Told()
    var outputs = ProxyRun.Outputs { told.lines.append($0) }
    outputs.record = { told.record += $0 }
    outputs.entry = { told.entries.append(String(decoding: $0, as: UTF8.self)) }
    var shown = InspectRun.Arguments()
    shown.json = true
    run = ProxyRun(settings, shown: shown, isQuiet: false, outputs)
    let ends = [address, [127, 0, 0, 2]].compactMap {
      Endpoint(address: $0[...], port: $0[3] == 1 ? 50_000 : 9001)
    }
    connection = run.open(client: ends[0], server: ends[1], at: now)
    server = WSConnection(.server)
    self.told = told
    offered = extensions
  }

  private final class Told {
    var lines: [String] = []
    var record: [UInt8] = []
    var entries: [String] = []
  }

  private let told: Told
  private let offered: [any Extension]

  /// The opening handshake.
  func open() throws {
    pass(
      try client.send(Request(host: "proxy.example", target: "/chat", extensions: offered)),
      from: .fromClient
    )
    pass(try server.send(AcceptConnection(extensions: offered)), from: .fromServer)
    received = [.client: [], .server: []]
    delivered = [.fromClient: [], .fromServer: []]
    times = [.fromClient: [], .fromServer: []]
    writes = [.fromClient: [], .fromServer: []]
  }

  func send(_ event: some EventConvertible, from sender: ConnectionType) throws {
    let end = sender == .client ? client : server
    pass(try end.send(event), from: Direction(sender: sender))
  }

  /// Gives the proxy bytes in pieces, and carries out its steps at once, with the times that they were due.
  func pass(_ bytes: [UInt8], from sender: Direction, piece: Int = .max) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let part = rest.prefix(piece)
      rest = rest.dropFirst(part.count)
      connection.receive(Array(part), from: sender, at: now)
      settle()
    }
  }

  /// Carries out the steps that there are.
  func settle() {
    run.settle(at: now)
    var isQuiet = false
    while !isQuiet {
      isQuiet = true
      for sender in [Direction.fromClient, .fromServer] {
        while let step = connection.nextStep(from: sender, at: now) {
          isQuiet = false
          carryOut(step, sender)
        }
      }
    }
    lines = told.lines
    record = told.record
    entries = told.entries
  }

  private func carryOut(_ step: ProxyConnection.Step, _ sender: Direction) {
    connection.passed(step, from: sender, at: step.due)
    switch step.action {
    case .bytes(let bytes):
      delivered[sender, default: []] += bytes
      times[sender, default: []].append(Int((step.due.nanoseconds - now.nanoseconds) / 1_000_000))
      writes[sender, default: []].append(bytes.count)
      deliver(bytes, to: sender == .fromClient ? .server : .client)
    case .finish: finished.append(sender)
    case .reset: isReset = true
    }
  }

  private func deliver(_ bytes: [UInt8], to role: ConnectionType) {
    let end = role == .client ? client : server
    do {
      try end.receiveData(bytes)
    } catch {
      let message =
        switch error {
        case .remote(let remote): remote.message
        case .local(let local): local.message
        }
      received[role, default: []].append("protocol error: \(message)")
    }
    while let event = end.nextEvent() { received[role, default: []].append(Self.line(event)) }
  }

  private static func line(_ event: Event) -> String {
    switch event {
    case .textMessage(let part): "text \(part.data)" + (part.messageFinished ? "" : "…")
    case .bytesMessage(let part): "binary \(part.data.count)" + (part.messageFinished ? "" : "…")
    case .closeConnection(let close): "close \(close.code) \(close.reason ?? "")"
    case .ping(let ping): "ping \(ping.payload.count)"
    case .pong(let pong): "pong \(pong.payload.count)"
    default: "handshake"
    }
  }

  func end(from sender: Direction) {
    connection.end(from: sender, at: now)
    settle()
  }

  func close() {
    run.close(connection, at: now)
    settle()
  }

  func wait(milliseconds: Int64) { now.nanoseconds += milliseconds * 1_000_000 }

  /// Types a line, as in a file of them.
  func type(_ line: String) throws -> String? {
    defer { settle() }
    return run.take(try ProxyInput(typed: line), waits: true, at: now)
  }

  func endInput() {
    run.endDecisions(at: now)
    settle()
  }

  func resolve(_ decision: HeldDecision, from sender: Direction) {
    connection.resolve(decision, from: sender, at: now)
    settle()
  }

  func inject(_ kind: Injection.Kind, _ text: String, from sender: Direction) -> Bool {
    defer { settle() }
    return connection.inject(Injection(kind, Array(text.utf8)), from: sender, at: now)
  }

  /// What the notes of rules say.
  var notes: [String] { lines.filter { $0.contains("\"proxy-rule\"") || $0.contains("\"proxy-held\"") } }
}
