// SPDX-License-Identifier: Apache-2.0

#if NIO

/// A fault on the network between the two ends of a ``WebSocketPair``.
///
/// Positions count bytes of frames from the moment the fault is injected into a ``TestWire``.
public enum NetworkFault: Sendable, Hashable {
  /// Data sent from now on takes this long, by the ``VirtualClock``. Its order is kept.
  case delay(Duration)
  /// Data sent from now on arrives in pieces of at most this many bytes, each in a read of its own.
  case pieces(Int)
  /// The byte at this position, counted from 0, arrives with these bits flipped.
  case corrupt(byte: Int, bits: UInt8 = 0xFF)
  /// From the byte at this position on, nothing arrives, and neither end is notified: a host without power, a cut
  /// cable.
  case lose(after: Int)
  /// After this number of bytes, both ends find the transport reset.
  case reset(after: Int)
  /// After this number of bytes, the receiving end finds the end of the transport, without a Close.
  case end(after: Int)
}
#endif
