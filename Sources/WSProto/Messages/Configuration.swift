// SPDX-License-Identifier: Apache-2.0

/// The settings of a connection.
public struct Configuration: Sendable {
  /// Limits on what a peer may make this end hold or do.
  public var limits: Limits
  /// Whether messages are delivered in parts as they arrive, or whole.
  public var delivery: MessageDelivery
  /// What is answered automatically; nothing by default. ``FrameProtocol``, which has no state, never
  /// answers.
  public var automaticReplies: AutomaticReplies
  /// The source of masking keys and nonces. Use the system's CSPRNG except in tests (RFC 6455 §5.3, §10.3).
  public var randomSource: RandomSource

  /// The defaults: wsproto's delivery in chunks, ``Limits``' defaults, no automatic replies, the system's randomness.
  public init(
    delivery: MessageDelivery = .chunks,
    limits: Limits = Limits(),
    automaticReplies: AutomaticReplies = [],
    randomSource: RandomSource = .system
  ) {
    self.limits = limits
    self.delivery = delivery
    self.automaticReplies = automaticReplies
    self.randomSource = randomSource
  }
}
