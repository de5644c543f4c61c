// SPDX-License-Identifier: Apache-2.0

#if NIO
package import WSProto

/// Observes the pings and pongs that a connection receives. They are answered and measured without it; the command-line
/// tool displays them.
package final class ControlFrameObserver: Sendable, Hashable {
  /// A control frame other than Close (RFC 6455 §5.5.2, §5.5.3).
  package enum Frame: Sendable {
    case ping(Bytes)
    case pong(Bytes)
  }

  /// Called on the event loop with the frame, and with the number of messages that this connection received before it.
  package let observe: @Sendable (Frame, _ messagesBefore: Int) -> Void

  package init(_ observe: @escaping @Sendable (Frame, _ messagesBefore: Int) -> Void) {
    self.observe = observe
  }

  package static func == (one: ControlFrameObserver, other: ControlFrameObserver) -> Bool { one === other }

  package func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
#endif
