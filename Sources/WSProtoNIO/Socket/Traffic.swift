// SPDX-License-Identifier: Apache-2.0

#if NIO
/// Sums up what the connections of one event loop carry. The sums are taken from time to time, so that a message costs
/// only an addition or two.
package final class Traffic {
  struct Sums: Sendable, Hashable {
    /// Whole messages, and the bytes of their payloads.
    var messagesReceived = 0
    var bytesReceived = 0
    var messagesSent = 0
    var bytesSent = 0
    /// On connections with compression: the payload bytes sent, and all bytes written.
    var compressiblePayload = 0
    var compressibleWire = 0
  }

  var sums = Sums()
  /// Called with the round-trip time of each keepalive ping.
  let roundTrip: (Duration) -> Void

  init(roundTrip: @escaping (Duration) -> Void) { self.roundTrip = roundTrip }

  /// Returns what was carried since the last call.
  func takeSums() -> Sums {
    defer { sums = Sums() }
    return sums
  }
}
#endif
