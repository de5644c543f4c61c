// SPDX-License-Identifier: Apache-2.0

/// The result of a step of the ``InboundPipeline``: a message, a part of one, or a control frame.
///
/// It says where the bytes lie. ``InboundPipeline/withBytes(of:window:_:)`` gives access to them until the
/// pipeline's next step.
struct InboundPart {
  enum Kind: UInt8 { case text, binary, ping, pong, close }

  var kind: Kind
  /// For a Close: the reason.
  var payload: PayloadPart
  var messageFinished = true
  /// The code of a Close.
  var code: CloseReason = .noStatusRcvd
}
