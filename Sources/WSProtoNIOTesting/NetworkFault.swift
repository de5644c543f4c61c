// SPDX-License-Identifier: Apache-2.0

#if NIO

/// What goes wrong on the way from one end of a ``WebSocketPair`` to the other.
///
/// Bytes are those of the frames, counted from the moment at which the fault is given to a ``TestWire``.
public enum NetworkFault: Sendable, Hashable {
  /// All that is sent from now on takes so long, by the ``VirtualClock``. The order stays.
  case delay(Duration)
  /// What is sent from now on comes in pieces of at most so many bytes, each in a read of its own.
  case pieces(Int)
  /// The byte with this number, from 0, comes with these bits turned over.
  case corrupt(byte: Int, bits: UInt8 = 0xFF)
  /// From the byte with this number on, nothing comes, and nobody is told: a host without power, a cable that is cut.
  case lose(after: Int)
  /// Behind so many bytes, both ends find the transport reset.
  case reset(after: Int)
  /// Behind so many bytes, the receiving end finds the end of the transport, without a Close.
  case end(after: Int)
}
#endif
