// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

/// Checks that the hot paths allocate nothing once they are warm.
struct AllocationsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "allocations",
    abstract: "Counts heap allocations in steady state; fails if a path that promises none makes one.",
    discussion: "Borrowed decoding in every form and encoding into a buffer, at several sizes and reads."
  )

  func run() throws {
    guard allocationsSoFar() != nil else { leaveUnsupported("allocations are not counted here: glibc only") }
    var failures = 0
    for size in [0, 16, 125, 126, 1024, 16384, 65536, 262_144] {
      let binary = [UInt8](repeating: 0x61, count: size)
      // Characters of three bytes, so that reads and fragments cut them.
      let text = String(repeating: "€", count: size / 3 + 1)
      failures += try decode(binary: binary, text: text, size: size)
      failures += try encode(binary: binary, text: text, size: size)
    }
    guard failures == 0 else { throw BenchError("\(failures) paths allocate in steady state") }
  }

  /// Every borrowed form, by reads of several sizes.
  private func decode(binary: [UInt8], text: String, size: Int) throws -> Int {
    let client = Connection(.client)
    var wire: [UInt8] = []
    for _ in 0..<max(2, 65536 / max(size, 64)) {
      try client.send(BytesMessage(data: Bytes(binary)), into: &wire)
      try client.send(TextMessage(data: text), into: &wire)
      try client.send(TextMessage(data: text, messageFinished: false), into: &wire)
      try client.send(Ping(payload: [1, 2, 3]), into: &wire)
      try client.send(TextMessage(data: text), into: &wire)
    }
    var failures = 0
    for read in [509, 1448, 16384, 65536] {
      // The stream goes round without an end, in reads that begin at the same places each time and end inside of
      // messages: a connection that falls idle gives large buffers back, by design.
      var stream = wire
      try pad(&stream, toMultipleOf: read, client)
      let round = stream.count
      stream.append(contentsOf: stream.prefix(read))
      for delivery in [MessageDelivery.chunks, .wholeMessages] {
        let name = "decode, \(size) B, \(read) B a read, \(delivery)"
        let configuration = Configuration(delivery: delivery, limits: Limits(maxMessageBytes: 1 << 30))
        let reader = Connection(.server, configuration: configuration)
        var start = Array(stream.prefix(5))
        reader.receive(&start, count: 5) { _ in }
        failures += try check("borrowed \(name)") {
          pass(stream, round, read) { bytes in
            _ = reader.receive(
              upTo: read,
              reading: { room in
                room.copyMemory(from: bytes)
                return bytes.count
              },
              { _ in }
            )
          }
          guard reader.state == .open else { throw BenchError("the stream was refused") }
        }
        let borrower = Connection(.server, configuration: configuration)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: read, alignment: 64)
        defer { memory.deallocate() }
        var beginning = Array(stream.prefix(5))
        borrower.receive(&beginning, count: 5) { _ in }
        failures += try check("borrowed-chunk \(name)") {
          pass(stream, round, read) { bytes in
            memory.copyMemory(from: bytes)
            var span = UnsafeMutableRawBufferPointer(rebasing: memory[..<bytes.count]).mutableBytes
            borrower.receive(&span) { _ in }
          }
          guard borrower.state == .open else { throw BenchError("the stream was refused") }
        }
      }
    }
    return failures
  }

  /// Both roles, into a buffer that is kept.
  private func encode(binary: [UInt8], text: String, size: Int) throws -> Int {
    var failures = 0
    for role in [ConnectionType.server, .client] {
      let connection = Connection(role)
      var output: [UInt8] = []
      output.reserveCapacity(4 * (size + 32))
      let event = TextMessage(data: text)
      failures += try check("encode, \(role), \(size) B") {
        for _ in 0..<100 {
          output.removeAll(keepingCapacity: true)
          try connection.sendBytes(binary.span.bytes, into: &output)
          try connection.sendText(text.utf8Span, into: &output)
          try connection.send(event, into: &output)
        }
      }
    }
    return failures
  }

  /// Appends messages until the length is a multiple of `unit`.
  private func pad(_ wire: inout [UInt8], toMultipleOf unit: Int, _ client: Connection) throws {
    // Their headers are of eight bytes, for 126 to 65,535 bytes of payload.
    var missing = unit - wire.count % unit
    while missing < 134 { missing += unit }
    while missing > 0 {
      let size = missing > 40000 ? 20000 : missing
      try client.send(BytesMessage(data: Bytes([UInt8](repeating: 7, count: size - 8))), into: &wire)
      missing -= size
    }
  }

  /// As many reads as go once round the stream.
  private func pass(_ wire: [UInt8], _ round: Int, _ read: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
    wire.withUnsafeBytes { bytes in
      for start in stride(from: 0, to: round, by: read) {
        body(UnsafeRawBufferPointer(rebasing: bytes[(start + 5)..<(start + 5 + read)]))
      }
    }
  }

  /// Two passes to warm up, then ten that must not allocate; gives back 1 if they do.
  private func check(_ name: String, _ pass: () throws -> Void) throws -> Int {
    for _ in 0..<2 { try pass() }
    let before = allocationsSoFar() ?? 0
    for _ in 0..<10 { try pass() }
    let count = (allocationsSoFar() ?? 0) - before
    if count > 0 { print("\(name): \(count) allocations in 10 passes") }
    return count > 0 ? 1 : 0
  }
}
