// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Two pipes in memory between a sample and the peer that plays its part.
final class Transport {
  /// How what the peer has sent is cut into reads.
  enum Cut: CaseIterable {
    case asSent, together, byteByByte
  }

  enum Failure: Error {
    /// The sample goes round and round: more calls than any conversation here needs.
    case spins
    /// The sample reads what nobody will send: on a socket it would wait for ever.
    case waits
  }

  private let peer: Peer
  private let cut: Cut
  private var calls = 0

  init(_ peer: Peer, _ cut: Cut) {
    self.peer = peer
    self.cut = cut
  }

  /// What comes next; empty at the end of the stream.
  func read() throws -> [UInt8] {
    try count()
    guard let first = peer.toRead.first else {
      if peer.hasEnded { return [] }
      throw Failure.waits
    }
    switch cut {
    case .asSent:
      return peer.toRead.removeFirst()
    case .together:
      defer { peer.toRead = [] }
      return peer.toRead.flatMap(\.self)
    case .byteByByte:
      if first.count == 1 { return peer.toRead.removeFirst() }
      return [peer.toRead[0].removeFirst()]
    }
  }

  func write(_ bytes: [UInt8]) throws {
    try count()
    if !bytes.isEmpty { try peer.take(bytes) }
  }

  private func count() throws {
    calls += 1
    if calls > 10_000 { throw Failure.spins }
  }
}
