// SPDX-License-Identifier: Apache-2.0

import WSProto

/// A conversation between two ends of WSProto, written down: who has sent which bytes.
struct Recording {
  struct Step: Hashable {
    var sender: ConnectionType
    var bytes: [UInt8]
  }

  private(set) var steps: [Step] = []
  private let client = WSConnection(.client)
  private let server = WSConnection(.server)

  /// A conversation with its handshake.
  init(extensions: [any Extension] = [], subprotocol: String? = nil) throws {
    let request = Request(
      host: "example.com",
      target: "/chat",
      extensions: extensions,
      subprotocols: subprotocol.map { [$0] } ?? []
    )
    try send(request, from: .client)
    try send(AcceptConnection(subprotocol: subprotocol, extensions: extensions), from: .server)
  }

  /// Steps without a handshake.
  init(steps: [Step]) { self.steps = steps }

  mutating func send(_ event: some EventConvertible, from sender: ConnectionType) throws {
    let (one, other) = sender == .client ? (client, server) : (server, client)
    let bytes = try one.send(event)
    steps.append(Step(sender: sender, bytes: bytes))
    try other.receiveData(bytes)
    while other.nextEvent() != nil {}
  }

  /// Bytes that no end of WSProto would send.
  mutating func append(_ bytes: [UInt8], from sender: ConnectionType) {
    steps.append(Step(sender: sender, bytes: bytes))
  }

  /// How many bytes an end has sent.
  func count(from sender: ConnectionType) -> Int {
    steps.filter { $0.sender == sender }.map(\.bytes.count).reduce(0, +)
  }

  /// All bytes of an end.
  func bytes(from sender: ConnectionType) -> [UInt8] {
    steps.filter { $0.sender == sender }.flatMap(\.bytes)
  }
}

/// A client's frame of these bytes, with the key 1 2 3 4.
func masked(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
  let key: [UInt8] = [1, 2, 3, 4]
  var frame = [first]
  if payload.count < 126 {
    frame.append(0x80 | UInt8(payload.count))
  } else {
    frame += [0x80 | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
  }
  return frame + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
}
