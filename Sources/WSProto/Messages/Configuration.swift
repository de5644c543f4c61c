// SPDX-License-Identifier: Apache-2.0

/// The settings of a connection.
public struct Configuration: Sendable {
  /// What a peer may make this end hold or do.
  public var limits: Limits
  /// Parts as they arrive, or whole messages.
  public var delivery: MessageDelivery
  /// What is answered without a call: nothing, unless stated. ``FrameProtocol``, which has no state, never answers.
  public var automaticReplies: AutomaticReplies
  /// Where masking keys and nonces come from. The system's CSPRNG outside of tests (RFC 6455 §5.3, §10.3).
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
