// SPDX-License-Identifier: Apache-2.0

/// What a step of the ``InboundPipeline`` gives: a message or a part of one, or a control frame.
///
/// Where its bytes lie, not the bytes: ``InboundPipeline/withBytes(of:window:_:)`` gets at them, until the pipeline's
/// next step.
struct InboundPart {
  enum Kind: UInt8 { case text, binary, ping, pong, close }

  var kind: Kind
  /// Of a close: the reason.
  var payload: PayloadPart
  var messageFinished = true
  /// Of a close.
  var code: CloseReason = .noStatusRcvd
}
