// SPDX-License-Identifier: Apache-2.0

/// Why nothing more of a connection is read.
public enum ConnectionEnd: String, Sendable, Hashable {
  /// Both ends have sent FIN.
  case finished
  /// One end has sent RST.
  case reset
  /// The capture ends first.
  case captureEnded
  /// A new connection has the same addresses and ports.
  case reused
  /// Too many connections were open at once, and this one had been idle longest.
  case forgotten
}

/// What the capture shows of a connection's transport. All counts are of both directions together.
public struct TransportSummary: Sendable, Hashable {
  /// Bytes that came more than once.
  public var repeatedBytes = 0
  /// Segments that came before their turn.
  public var reorderedSegments = 0
  /// Bytes that the capture doesn't have.
  public var lostBytes = 0

  init() {}

  init(_ streams: [TCPStream]) {
    for stream in streams {
      repeatedBytes += stream.repeatedBytes
      reorderedSegments += stream.reorderedSegments
      lostBytes += stream.lostBytes
    }
  }
}
