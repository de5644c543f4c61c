// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import WSProto

/// The rows, and what they have found.
struct Checks {
  var passed = 0
  var failed = 0

  /// What an idle connection may hold, in bytes, beside its compression contexts.
  static let idle = 16 << 10
  /// What inflating by parts may hold at any moment: the compressed bytes, a part and some room.
  static let peak = 512 << 10

  /// Live bytes that `connection` came to hold since the counting began, without what the process keeps for all.
  private static func held() -> Int {
    Connection.releaseSpareMemory()
    return Int(wsb_live_bytes())
  }

  private mutating func expect(_ row: String, _ what: String, _ bytes: Int, atMost bound: Int) {
    let good = bytes <= bound
    if good { passed += 1 } else { failed += 1 }
    print("\(good ? "ok    " : "FAILED") \(row) \(what): \(bytes) bytes, at most \(bound)")
  }

  // MARK: Rows

  enum Behind { case ping, halfHeader }

  /// 61 KB on the wire become 60 MiB; then a ping, or the first byte of a frame and silence.
  // fault: M1, M2
  mutating func inflatedMessage(_ door: Door, _ delivery: MessageDelivery, then behind: Behind) throws {
    let wire = Wire()
    let size = 60 << 20
    let large = try wire.compressed([UInt8](repeating: 0x61, count: size))
    let tail = try behind == .ping ? wire.sender.send(Ping(payload: [1])) : [0x81]
    let connection = Connection(
      .server,
      extensions: [wire.receiving],
      configuration: Configuration(delivery: delivery)
    )
    // The contexts of the compression are there from the first message on.
    try door.receive(try wire.compressed([1, 2, 3]), on: connection)
    Connection.releaseSpareMemory()
    wsb_count_bytes(true)
    let (count, code) = try door.receive(large, on: connection)
    try door.receive(tail, on: connection)
    let bytes = Self.held()
    wsb_count_bytes(false)
    precondition(count == size && code == nil, "\(count) bytes came, \(String(describing: code))")
    withExtendedLifetime((large, tail)) {}
    let row = behind == .ping ? "M1" : "M2"
    expect(
      row,
      "\(door.rawValue), \(delivery), \(size >> 20) MiB inflated, then \(behind)",
      bytes,
      atMost: Self.idle
    )
    withExtendedLifetime((connection, wire)) {}
  }

  /// A plain message of 1 MiB, then nothing.
  // fault: M1
  mutating func largeFrame(_ door: Door, _ delivery: MessageDelivery) throws {
    let wire = Wire()
    let frame = try wire.plain([UInt8](repeating: 7, count: 1 << 20))
    let connection = Connection(.server, configuration: Configuration(delivery: delivery))
    try door.receive(try wire.plain([1, 2, 3]), on: connection)
    Connection.releaseSpareMemory()
    wsb_count_bytes(true)
    let (count, _) = try door.receive(frame, on: connection)
    let bytes = Self.held()
    wsb_count_bytes(false)
    precondition(count == 1 << 20)
    withExtendedLifetime(frame) {}
    expect("M1", "\(door.rawValue), \(delivery), 1 MiB plain", bytes, atMost: Self.idle)
    withExtendedLifetime((connection, wire)) {}
  }

  /// The first 60,000 bytes of a message that inflates to 64 MiB, in parts: the most that is held at any moment.
  // fault: M3
  mutating func partsWhileInflating(_ door: Door) throws {
    let wire = Wire()
    let large = try wire.compressed([UInt8](repeating: 0x61, count: 64 << 20)).prefix(60000)
    let connection = Connection(.server, extensions: [wire.receiving])
    try door.receive(try wire.compressed([1, 2, 3]), on: connection)
    let bytes = Array(large)
    Connection.releaseSpareMemory()
    wsb_count_bytes(true)
    let (count, code) = try door.receive(bytes, on: connection)
    let peak = Int(wsb_peak_bytes())
    let held = Self.held()
    wsb_count_bytes(false)
    withExtendedLifetime(bytes) {}
    precondition(count > 50 << 20 && code == nil, "\(count) bytes came, \(String(describing: code))")
    expect("M3", "\(door.rawValue), \(count) bytes inflated by parts, at the peak", peak, atMost: Self.peak)
    expect("M3", "\(door.rawValue), the same, afterwards", held, atMost: Self.idle)
    withExtendedLifetime((connection, wire)) {}
  }

  enum End { case close, failure }

  /// 200 MiB that nobody can read any more.
  // fault: M4
  mutating func framesAfterTheEnd(_ end: End) throws {
    let wire = Wire()
    let more = try wire.plain([UInt8](repeating: 7, count: 1 << 20))
    let last = try end == .close ? wire.sender.send(CloseConnection(code: 1000)) : [0xFF, 0xFF]
    let frames = FrameProtocol(client: false)
    frames.receiveBytes(try wire.plain([1]))
    _ = try frames.receivedFrames()
    Connection.releaseSpareMemory()
    wsb_count_bytes(true)
    frames.receiveBytes(last)
    do { _ = try frames.receivedFrames() } catch {}
    for _ in 0..<200 {
      frames.receiveBytes(more)
      do { _ = try frames.receivedFrames() } catch {}
    }
    let bytes = Self.held()
    wsb_count_bytes(false)
    expect("M4", "FrameProtocol, 200 MiB after a \(end)", bytes, atMost: Self.idle)
    for door in Door.allCases {
      let connection = Connection(.server)
      try door.receive(try Wire().plain([1]), on: connection)
      Connection.releaseSpareMemory()
      wsb_count_bytes(true)
      try door.receive(last, on: connection)
      for _ in 0..<20 { try door.receive(more, on: connection) }
      let bytes = Self.held()
      wsb_count_bytes(false)
      withExtendedLifetime((last, more)) {}
      expect("M4", "\(door.rawValue), 20 MiB after a \(end)", bytes, atMost: Self.idle)
      withExtendedLifetime(connection) {}
    }
    withExtendedLifetime((frames, last, more)) {}
  }

  /// A request of nearly 16 KiB is accepted, and its event let go.
  // fault: M6
  mutating func largeHead() throws {
    var sizes: [Int] = []
    for extra in [0, 15000] {
      let server = WSConnection(.server)
      let client = WSConnection(.client)
      let request = try client.send(
        Request(
          host: "example.com",
          target: "/",
          extraHeaders: [.cookie: String(repeating: "c", count: extra)]
        )
      )
      Connection.releaseSpareMemory()
      wsb_count_bytes(true)
      try server.receiveData(request)
      while server.nextEvent() != nil {}
      _ = try server.send(AcceptConnection())
      sizes.append(Self.held())
      wsb_count_bytes(false)
      withExtendedLifetime((server, client, request)) {}
    }
    expect("M6", "an accepted request of 15,000 bytes more than another", sizes[1] - sizes[0], atMost: 256)
  }
}

/// What a client sends.
struct Wire {
  let sender: Connection
  let receiving: PerMessageDeflate
  private let plainSender = Connection(.client)

  init() {
    var server = PerMessageDeflate()
    var client = PerMessageDeflate()
    let answer = server.accept(ExtensionHeader(name: PerMessageDeflate.name)) ?? []
    do {
      try client.finalize(ExtensionHeader(name: PerMessageDeflate.name, parameters: answer))
    } catch {
      preconditionFailure("\(error)")
    }
    receiving = server
    sender = Connection(.client, extensions: [client])
  }

  func compressed(_ payload: [UInt8]) throws -> [UInt8] { try sender.send(BytesMessage(data: payload)) }
  func plain(_ payload: [UInt8]) throws -> [UInt8] { try plainSender.send(BytesMessage(data: payload)) }
}
