// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

/// Decodes a stream of frames.
struct DecodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode",
    abstract: "Decodes concatenated frames, masked for --role server, unmasked for --role client.",
    discussion: """
      --api feed-only       the floor: reads are copied into the receive buffer, nothing else
            borrowed        Connection.receive(upTo:reading:_:), whole messages: a read writes into the connection's
                            own buffer, as recv does for a server
            borrowed-chunk  Connection.receive with memory of the caller, whole messages
            borrowed-parts  the same, parts as they arrive
            events          Connection.receiveData and nextEvent, parts as they arrive
            whole           the same, whole messages
            events-utf8     events, of a text its bytes instead of a string
            whole-utf8      whole, the same
      """
  )

  enum API: String, ExpressibleByArgument, CaseIterable {
    case feedOnly = "feed-only"
    case borrowed
    case borrowedChunk = "borrowed-chunk"
    case borrowedParts = "borrowed-parts"
    case events
    case whole
    case eventsUTF8 = "events-utf8"
    case wholeUTF8 = "whole-utf8"

    var delivery: MessageDelivery {
      switch self {
      case .borrowed, .borrowedChunk, .whole, .wholeUTF8: .wholeMessages
      case .feedOnly, .borrowedParts, .events, .eventsUTF8: .chunks
      }
    }

    /// Whether the bytes of a text are taken, not a string.
    var takesUTF8: Bool { self == .eventsUTF8 || self == .wholeUTF8 }
  }

  @OptionGroup var common: CommonOptions

  @Option(help: "The file with the frames.")
  var input: String

  @Option(help: "Bytes a read, or 'frame' for one frame a read (of at most 512 KiB).")
  var chunk: ReadSize = .bytes(65536)

  @Option(help: "How messages are taken.")
  var api: API = .borrowed

  @Option(
    help: "Connections that the reads go to in turn; more than one needs --chunk frame and no fragments."
  )
  var connections = 1

  func validate() throws {
    guard connections >= 1 else { throw ValidationError("--connections is at least 1") }
    guard connections == 1 || chunk == .oneFrame else {
      throw ValidationError("--connections needs --chunk frame")
    }
  }

  func run() throws {
    let file = try InputFile(path: input)
    let reads = try file.reads(chunk)
    let expected = try file.expectedTotals()
    if connections > 1, try file.hasFragments() {
      throw BenchError("--connections needs unfragmented messages")
    }
    var measurement = common.measurement(operation: "decode", api: api.rawValue)
    measurement.chunk = chunk
    measurement.expected = expected
    let largest = reads.lazy.map(\.count).max() ?? 0
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: largest + 64, alignment: 64)
    defer { buffer.deallocate() }
    // With many connections they are made once: their making is not what is measured.
    let pool = (0..<connections).map { _ in makeConnection() }
    try measurement.run { totals in
      switch api {
      case .feedOnly:
        feed(reads, through: buffer)
        totals = expected
      case .borrowed:
        let taking = connections > 1 ? pool : [makeConnection()]
        try receiveInPlace(reads, taking, upTo: max(largest, 16384), &totals)
      case .borrowedChunk, .borrowedParts:
        try borrow(reads, connections > 1 ? pool : [makeConnection()], through: buffer, &totals)
      case .events, .whole, .eventsUTF8, .wholeUTF8:
        try takeEvents(reads, connections > 1 ? pool : [makeConnection()], utf8: api.takesUTF8, &totals)
      }
    }
  }

  private func makeConnection() -> Connection {
    Connection(
      common.role == .client ? .client : .server,
      configuration: Configuration(delivery: api.delivery, limits: Limits(maxMessageBytes: 1 << 30))
    )
  }

  private func feed(_ reads: [UnsafeRawBufferPointer], through buffer: UnsafeMutableRawBufferPointer) {
    var touched: UInt64 = 0
    for read in reads {
      buffer.copyMemory(from: read)
      touched &+= UInt64(buffer[read.count - 1])
    }
    blackHole(touched)
  }
}

/// Each read is copied into the connection's own buffer, as by recv, and events are borrowed from there.
private func receiveInPlace(
  _ reads: [UnsafeRawBufferPointer],
  _ connections: [Connection],
  upTo count: Int,
  _ totals: inout Totals
) throws(BenchError) {
  var message = MessageParts()
  var sum = totals
  var turn = 0
  var connection = connections[0]
  for read in reads {
    _ = try connection.receive(
      upTo: count,
      reading: { (room) throws(BenchError) in
        room.copyMemory(from: read)
        return read.count
      },
      { (event) throws(BenchError) in try message.add(event, to: &sum) }
    )
    if connections.count > 1 {
      turn = turn &+ 1 == connections.count ? 0 : turn &+ 1
      connection = connections[turn]
    }
  }
  totals = sum
}

/// Each read is copied into one buffer of the caller's, and events are borrowed from there.
private func borrow(
  _ reads: [UnsafeRawBufferPointer],
  _ connections: [Connection],
  through buffer: UnsafeMutableRawBufferPointer,
  _ totals: inout Totals
) throws(BenchError) {
  var message = MessageParts()
  var sum = totals
  var turn = 0
  var connection = connections[0]
  for read in reads {
    buffer.copyMemory(from: read)
    let received = UnsafeMutableRawBufferPointer(rebasing: buffer[..<read.count])
    var span = received.mutableBytes
    try connection.receive(&span) { (event) throws(BenchError) in try message.add(event, to: &sum) }
    if connections.count > 1 {
      turn = turn &+ 1 == connections.count ? 0 : turn &+ 1
      connection = connections[turn]
    }
  }
  totals = sum
}

/// Each read is given to the connection, which copies it, and events are taken until there are no more.
private func takeEvents(
  _ reads: [UnsafeRawBufferPointer],
  _ connections: [Connection],
  utf8 takesUTF8: Bool,
  _ totals: inout Totals
) throws {
  var message = MessageParts()
  var turn = 0
  for read in reads {
    let connection = connections[turn]
    try connection.receiveData(read)
    while let event = connection.nextEvent() {
      switch event {
      case .bytesMessage(let part):
        part.data.withUnsafeBytes { message.add($0, opcode: 2, finished: part.messageFinished, to: &totals) }
      case .textMessage(let part) where takesUTF8:
        part.withUTF8 { message.add($0, opcode: 1, finished: part.messageFinished, to: &totals) }
      case .textMessage(let part):
        part.data.utf8Span.span.bytes.withUnsafeBytes {
          message.add($0, opcode: 1, finished: part.messageFinished, to: &totals)
        }
      case .ping(let ping):
        ping.payload.withUnsafeBytes { totals.add($0, opcode: 9) }
      case .pong(let pong):
        pong.payload.withUnsafeBytes { totals.add($0, opcode: 10) }
      case .closeConnection, .request, .acceptConnection, .rejectConnection, .rejectData:
        throw BenchError("the stream closes the connection")
      }
    }
    turn &+= 1
    if turn == connections.count { turn = 0 }
  }
}

/// A message of which parts have arrived: what its checksum needs.
struct MessageParts {
  private var length = 0
  private var first: UInt8 = 0
  private var last: UInt8 = 0

  @inline(__always)
  mutating func add(_ part: UnsafeRawBufferPointer, opcode: UInt8, finished: Bool, to totals: inout Totals) {
    if finished, length == 0 { return totals.add(part, opcode: opcode) }
    if !part.isEmpty {
      if length == 0 { first = part[0] }
      last = part[part.count - 1]
      length &+= part.count
    }
    if finished {
      totals.add(length: length, opcode: opcode, first: first, last: last)
      length = 0
      first = 0
      last = 0
    }
  }

  /// Adds a borrowed event.
  @inline(__always)
  mutating func add(_ event: borrowing BorrowedEvent, to totals: inout Totals) throws(BenchError) {
    switch event {
    case .bytesMessage(let part):
      part.data.withUnsafeBytes { add($0, opcode: 2, finished: part.messageFinished, to: &totals) }
    case .textMessage(let part):
      part.data.span.bytes.withUnsafeBytes { add($0, opcode: 1, finished: part.messageFinished, to: &totals) }
    case .ping(let payload):
      payload.withUnsafeBytes { totals.add($0, opcode: 9) }
    case .pong(let payload):
      payload.withUnsafeBytes { totals.add($0, opcode: 10) }
    case .closeConnection, .handshake, .handshakeFailed:
      throw BenchError("the stream closes the connection")
    }
  }
}
