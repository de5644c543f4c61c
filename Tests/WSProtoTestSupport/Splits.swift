// SPDX-License-Identifier: Apache-2.0

package import WSProto

/// Runs one stream of frames in every way that it can arrive, and joins the events.
package enum Splits {
  /// How events are taken.
  package enum Door: Sendable, Hashable, CaseIterable {
    /// `receiveData` and `nextEvent`.
    case owned
    /// `receiveData` of all pieces first, then `nextEvent`.
    case ownedAtTheEnd
    /// `receive(_:_:)`.
    case borrowed
    /// `receive(upTo:reading:_:)`.
    case reading
  }

  /// The whole; byte by byte; several random cuts.
  package static func pieces(
    of stream: [UInt8],
    random: inout some RandomNumberGenerator,
    randomCuts: Int = 2
  ) -> [[[UInt8]]] {
    var ways = [[stream], stream.map { [$0] }]
    for _ in 0..<randomCuts { ways.append(cut(stream, random: &random)) }
    return ways
  }

  package static func cut(_ stream: [UInt8], random: inout some RandomNumberGenerator) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = stream[...]
    let longest = Int.random(in: 1...max(1, min(stream.count, 400)), using: &random)
    while !rest.isEmpty {
      let size = Int.random(in: 1...longest, using: &random)
      pieces.append(Array(rest.prefix(size)))
      rest = rest.dropFirst(size)
    }
    return pieces
  }

  /// Feeds the pieces to a connection.
  package static func run(_ pieces: [[UInt8]], _ door: Door, on connection: Connection, whole: Bool)
    -> Outcome
  {
    var collector = OutcomeCollector(wholeMessages: whole)
    switch door {
    case .owned:
      for piece in pieces {
        // Only a closed connection refuses; nothing more can be observed then.
        guard (try? connection.receiveData(piece)) != nil else { break }
        while let event = connection.nextEvent() { collector.add(event) }
      }
    case .ownedAtTheEnd:
      for piece in pieces {
        guard (try? connection.receiveData(piece)) != nil else { break }
      }
      while let event = connection.nextEvent() { collector.add(event) }
    case .borrowed:
      for piece in pieces {
        var copy = piece
        var span = copy.mutableSpan
        var bytes = span.mutableBytes
        connection.receive(&bytes) { event in collector.add(event) }
      }
    case .reading:
      for piece in pieces {
        _ = connection.receive(
          upTo: piece.count + 3,
          reading: { room in
            room.copyBytes(from: piece)
            return piece.count
          },
          { event in collector.add(event) }
        )
      }
    }
    return collector.finished
  }

  /// Every split, every way to receive, in both deliveries: describes those that don't give what is expected.
  package static func disagreements(
    _ stream: [UInt8],
    expected: Outcome,
    random: inout some RandomNumberGenerator,
    randomCuts: Int = 2,
    connect: (MessageDelivery) -> Connection
  ) -> [String] {
    var found: [String] = []
    var reasons: Set<String?> = []
    for pieces in Self.pieces(of: stream, random: &random, randomCuts: randomCuts) {
      for delivery in [MessageDelivery.chunks, .wholeMessages] {
        let whole = delivery == .wholeMessages
        let wanted = whole ? expected.wholeMessages : expected
        for door in Door.allCases {
          let outcome = run(pieces, door, on: connect(delivery), whole: whole)
          reasons.insert(outcome.reason)
          if !outcome.agrees(with: wanted) {
            found.append(
              "\(door) \(delivery) in \(pieces.count) pieces of \(stream.count) bytes: \(outcome), not \(wanted)"
            )
          }
        }
      }
    }
    if reasons.count > 1 { found.append("reasons depend on the cuts: \(reasons)") }
    return found
  }
}
