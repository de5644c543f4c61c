// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What idle connections cost where there are many of them in one process: after messages of 1 KiB each way.
struct Scale {
  /// How messages come.
  enum Way: String, CaseIterable { case borrowed, owned, whole }

  /// What was negotiated, and what is done when the connections are idle.
  enum Compression: String, CaseIterable {
    case none
    /// Context takeover.
    case takeover
    /// The same, and the contexts are given back.
    case takeoverReleased = "takeover-released"
    /// No context takeover in both directions.
    case noTakeover = "no-takeover"
    case noTakeoverReleased = "no-takeover-released"
    /// With one pool for all.
    case pooled

    var compresses: Bool { self != .none }
    var hasTakeover: Bool { self == .takeover || self == .takeoverReleased }
    var isReleased: Bool { self == .takeoverReleased || self == .noTakeoverReleased }
    /// Whether a connection keeps contexts, so that memory doesn't suffice for very many.
    var keepsContexts: Bool { hasTakeover || self == .noTakeover }
  }

  struct Row {
    var role: ConnectionType
    var way: Way
    var compression: Compression
    var connections: Int
    /// Each way.
    var messages: Int

    /// Whether it is a ``WSConnection``, which has shaken hands and keeps that.
    var hasHandshake = false

    /// The most that a connection may hold, in bytes; `nil` where it keeps contexts, and where it is no connection alone.
    var bound: Int? {
      // The pool's own contexts count for nothing only where many share them.
      if compression.keepsContexts || hasHandshake || connections < 1000 { return nil }
      return way == .borrowed && !compression.compresses ? 640 : 1024
    }
  }

  /// All rows. Compressing takes most of the time, so that there are fewer messages, or fewer connections, with it.
  static func rows(connections: Int) -> [Row] {
    var rows: [Row] = []
    for role in [ConnectionType.server, .client] {
      for way in Way.allCases {
        rows.append(Row(role: role, way: way, compression: .none, connections: connections, messages: 100))
      }
    }
    rows.append(
      Row(
        role: .server,
        way: .borrowed,
        compression: .none,
        connections: connections,
        messages: 100,
        hasHandshake: true
      )
    )
    for compression in Compression.allCases where compression.compresses {
      for way in Way.allCases {
        let count =
          compression.keepsContexts ? connections / 100 : way == .borrowed ? connections : connections / 10
        let messages = compression.keepsContexts ? 100 : 10
        rows.append(
          Row(
            role: .server,
            way: way,
            compression: compression,
            connections: max(1, count),
            messages: messages
          )
        )
      }
    }
    return rows
  }

  // MARK: Traffic

  /// JSON of 1 KiB.
  static let payload: [UInt8] = {
    var text = "["
    var number = 0
    while text.utf8.count < 1000 {
      number = (number &* 1_103_515_245 &+ 12345) & 0x7FFF_FFFF
      text += "{\"id\":\(number),\"name\":\"user \(number % 977)\",\"online\":\(number % 3 == 0)},"
    }
    return Array((text + "]").utf8.prefix(1023)) + [0x20]
  }()

  static func deflate(_ role: ConnectionType, _ compression: Compression) throws -> [any Extension] {
    if !compression.compresses { return [] }
    let names = compression.hasTakeover ? [] : ["client_no_context_takeover", "server_no_context_takeover"]
    var deflate = try PerMessageDeflate(
      clientNoContextTakeover: !compression.hasTakeover,
      clientMaxWindowBits: .absent,
      serverNoContextTakeover: !compression.hasTakeover
    )
    let header = ExtensionHeader(
      name: PerMessageDeflate.name,
      parameters: names.map { ExtensionParameter(name: $0) }
    )
    if role == .server { _ = deflate.accept(header) } else { try deflate.finalize(header) }
    return [deflate]
  }

  /// What a peer sends: the same to each connection, as each begins anew.
  static func frames(to role: ConnectionType, _ compression: Compression, _ count: Int) throws -> [[UInt8]] {
    let peer: ConnectionType = role == .server ? .client : .server
    let sender = Connection(peer, extensions: try deflate(peer, compression))
    return try (0..<count).map { _ in try sender.send(BytesMessage(data: payload)) }
  }

  /// One message each way; the size of what came.
  static func talk(
    _ connection: Connection,
    _ way: Way,
    _ frame: [UInt8],
    _ chunk: inout [UInt8],
    _ output: inout [UInt8]
  ) throws -> Int {
    var count = 0
    if way == .borrowed {
      chunk.removeAll(keepingCapacity: true)
      chunk.append(contentsOf: frame)
      connection.receive(&chunk, count: frame.count) { event in
        if case .bytesMessage(let part) = event { count += part.data.byteCount }
      }
    } else {
      try connection.receiveData(frame)
      while let event = connection.nextEvent() {
        if case .bytesMessage(let part) = event { count += part.data.count }
      }
    }
    output.removeAll(keepingCapacity: true)
    try connection.sendBytes(payload.span.bytes, into: &output)
    return count
  }

  // MARK: Measuring

  /// Runs a row in this process, which must have done nothing else; whether it is within its bound.
  static func run(_ row: Row) throws -> Bool {
    let frames = try frames(to: row.role, row.compression, row.messages)
    let configuration = Configuration(delivery: row.way == .whole ? .wholeMessages : .chunks)
    let extensions = try deflate(row.role, row.compression)
    let pool = row.compression == .pooled ? DeflatePool() : nil
    var chunk: [UInt8] = []
    var output: [UInt8] = []
    chunk.reserveCapacity(4096)
    output.reserveCapacity(4096)
    var kept: [AnyObject] = []
    kept.reserveCapacity(row.connections)
    let request = try WSConnection(.client).send(Request(host: "example.com", target: "/chat"))
    Connection.releaseSpareMemory()
    let resident = residentBytes()
    wsb_count_bytes(true)
    for _ in 0..<row.connections {
      let connection: Connection
      if row.hasHandshake {
        let whole = WSConnection(row.role, configuration: configuration)
        try whole.receiveData(request)
        while whole.nextEvent() != nil {}
        _ = try whole.send(AcceptConnection())
        guard let open = whole.connection else { preconditionFailure("the handshake has led to nothing") }
        kept.append(whole)
        connection = open
      } else {
        connection = Connection(
          row.role,
          extensions: extensions,
          configuration: configuration,
          deflatePool: pool
        )
        kept.append(connection)
      }
      for frame in frames {
        let count = try talk(connection, row.way, frame, &chunk, &output)
        precondition(count == payload.count, "\(count) bytes came")
      }
      if row.compression.isReleased { connection.releaseContexts() }
    }
    Connection.releaseSpareMemory()
    let live = Int(wsb_live_bytes()) / row.connections
    wsb_count_bytes(false)
    let grown = (residentBytes() - resident) / row.connections
    withExtendedLifetime(kept) {}
    let verdict = row.bound.map { live <= $0 ? "ok, at most \($0)" : "FAILED, at most \($0)" } ?? ""
    print(
      "\(row.role)\(row.hasHandshake ? ", with its handshake" : "") | \(row.way.rawValue) | \(row.compression.rawValue) | \(row.connections) | \(row.messages) | "
        + "\(live) | \(grown) | \(verdict)"
    )
    return row.bound.map { live <= $0 } ?? true
  }

  private static func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var pages: (Int, Int) = (0, 0)
    _ = withUnsafeMutablePointer(to: &pages.0) { first in
      withUnsafeMutablePointer(to: &pages.1) { second in
        withVaList([first, second]) { vfscanf(file, "%ld %ld", $0) }
      }
    }
    return pages.1 * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// Messages a second where 1,000 connections take turns, without context takeover: with contexts of their own, and with
  /// one pool. In turns too, the best of three, so that the ratio means something on a busy machine.
  static func rates() throws {
    var best: [Bool: Double] = [:]
    let frames = try frames(to: .server, .pooled, 1)
    for _ in 0..<3 {
      for isPooled in [false, true] {
        let pool = isPooled ? DeflatePool() : nil
        let extensions = try deflate(.server, .pooled)
        let connections = (0..<1000).map { _ in
          Connection(.server, extensions: extensions, deflatePool: pool)
        }
        var chunk: [UInt8] = []
        var output: [UInt8] = []
        let rounds = 20
        // The contexts are made by the first message.
        for connection in connections { _ = try talk(connection, .borrowed, frames[0], &chunk, &output) }
        let clock = ContinuousClock()
        let time = try clock.measure {
          for _ in 0..<rounds {
            for connection in connections { _ = try talk(connection, .borrowed, frames[0], &chunk, &output) }
          }
        }
        let rate = Double(rounds * connections.count) / (time / .seconds(1))
        best[isPooled] = max(best[isPooled] ?? 0, rate)
      }
    }
    let (own, pooled) = (best[false] ?? 0, best[true] ?? 0)
    print(
      "messages of 1 KiB each way a second, 1,000 connections in turn: \(Int(own)) with contexts of their own, "
        + "\(Int(pooled)) with a pool: \(Double(Int(pooled / own * 100)) / 100) times as many"
    )
  }
}
