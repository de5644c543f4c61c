// SPDX-License-Identifier: Apache-2.0

#if NIO
/// What the connections of one event loop carry, in sums that somebody takes from time to time: a message costs an addition
/// or two.
package final class Traffic {
  struct Sums: Sendable, Hashable {
    /// Whole messages, and the bytes of their payloads.
    var messagesReceived = 0
    var bytesReceived = 0
    var messagesSent = 0
    var bytesSent = 0
    /// Of connections that compress: payloads that were sent, and all bytes that were written.
    var compressiblePayload = 0
    var compressibleWire = 0
  }

  var sums = Sums()
  /// Called with the time of each round trip of a keepalive's ping.
  let roundTrip: (Duration) -> Void

  init(roundTrip: @escaping (Duration) -> Void) { self.roundTrip = roundTrip }

  /// What was carried since the last call.
  func takeSums() -> Sums {
    defer { sums = Sums() }
    return sums
  }
}
#endif
