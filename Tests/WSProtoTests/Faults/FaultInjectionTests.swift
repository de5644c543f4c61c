// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Testing
import WSProto
import WSProtoTestSupport

/// A conversation over sockets of the system's, disturbed at every byte of it: handshake, messages both ways, a fragmented
/// one with a ping inside, the closing handshake.
@Suite struct FaultInjectionTests {
  /// What each end receives when nothing is disturbed.
  private struct Record {
    var toClient: [UInt8]
    var toServer: [UInt8]
    /// Where the heads end.
    var heads: [ConnectionType: Int] = [:]

    func bytes(to role: ConnectionType) -> [UInt8] { role == .client ? toClient : toServer }
  }

  private static func record(compresses: Bool) throws -> Record {
    let fault = TransportFault(kind: .none, receiver: .server, position: 0)
    var proxy = try FaultProxy(fault, doors: [.owned, .owned], compresses: compresses)
    proxy.run()
    var record = Record(toClient: proxy.client.received, toServer: proxy.server.received)
    for role in ConnectionType.allCases {
      let bytes = record.bytes(to: role)
      let end: Int? = bytes.indices.first { bytes[..<$0].suffix(4).elementsEqual([13, 10, 13, 10]) }
      let found: Int = try #require(end)
      record.heads[role] = found
    }
    return record
  }

  /// What an end is to have seen that has received so many bytes: by the slow twin, and by RFC 6455 §7.1.5.
  private static func expected(
    _ role: ConnectionType,
    _ record: Record,
    _ count: Int,
    compresses: Bool
  ) throws -> (Outcome, FaultyEnd.End) {
    let head = try #require(record.heads[role])
    // Nothing is cut off where a server has received nothing.
    if role == .server, count == 0 { return (Outcome(), .open) }
    guard count >= head else { return (Outcome(), .handshakeFailed) }
    var twin = SlowDecoder(role, inflater: compresses ? try InflateStream() : nil)
    var outcome = twin.run(Array(record.bytes(to: role)[head..<count]))
    if role == .server { outcome = outcome.wholeMessages }
    let code = outcome.code ?? 1006
    outcome.code = code
    return (outcome, .closed(code))
  }

  /// What is wrong with a case; `nil` if nothing is.
  private static func judge(_ end: FaultyEnd, _ fault: TransportFault, _ record: Record, compresses: Bool)
    throws
    -> String?
  {
    let sent = record.bytes(to: end.role)
    if !end.violations.isEmpty { return "\(end.violations)" }
    guard sent.starts(with: end.received) else { return "it received what was never sent: \(end.received)" }
    if fault.kind.cuts {
      if fault.receiver == end.role, end.received.count != fault.position {
        return "\(end.received.count) bytes came"
      }
    } else if end.received.count != sent.count {
      return "\(end.received.count) of \(sent.count) bytes came"
    }
    let (outcome, last) = try expected(end.role, record, end.received.count, compresses: compresses)
    if end.end != last { return "it ended with \(end.end), not \(last)" }
    if !end.outcome.agrees(with: outcome) { return "\(end.outcome), not \(outcome)" }
    return end.state == .closed ? nil : "it is \(end.state)"
  }

  @Test(
    "Split, delayed, held back, cut and reset at every byte: whole messages only, the Close that came or 1006 (RFC 6455 §7.1.5)",
    arguments: [false, true]
  )
  func everyByte(compresses: Bool) throws {
    let record = try Self.record(compresses: compresses)
    #expect(record.toServer.count > 300 && record.toClient.count > 200)
    var outcomes: [String: Int] = [:]
    var unexpected: [String] = []
    var count = 0
    for receiver in ConnectionType.allCases {
      for kind in TransportFault.Kind.allCases where kind != .none {
        for position in 0...record.bytes(to: receiver).count {
          let fault = TransportFault(kind: kind, receiver: receiver, position: position)
          let doors = [FaultyEnd.Door.allCases[count % 3], FaultyEnd.Door.allCases[count / 3 % 3]]
          count += 1
          var proxy = try FaultProxy(fault, doors: doors, compresses: compresses)
          proxy.run()
          if proxy.hangs { unexpected.append("\(fault), doors \(doors): somebody waits in vain") }
          for end in [proxy.client, proxy.server] {
            if let wrong = try Self.judge(end, fault, record, compresses: compresses) {
              unexpected.append("\(fault), doors \(doors), the \(end.role): \(wrong)")
            }
          }
          outcomes[
            "\(kind): client \(Self.words(proxy.client.end)), server \(Self.words(proxy.server.end))",
            default: 0
          ] += 1
        }
      }
    }
    print("\(count) cases, compressed: \(compresses), \(unexpected.count) unexpected; outcomes:")
    for (outcome, times) in outcomes.sorted(by: { $0.key < $1.key }) { print("  \(times) \(outcome)") }
    #expect(unexpected.isEmpty, "\(unexpected.prefix(5).joined(separator: "\n"))")
  }

  private static func words(_ end: FaultyEnd.End) -> String {
    switch end {
    case .closed(let code): "\(code)"
    case .handshakeFailed: "no handshake"
    case .open: "nothing received"
    }
  }
}
#endif
