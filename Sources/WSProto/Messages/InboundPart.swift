// SPDX-License-Identifier: Apache-2.0

/// What a step of the ``InboundPipeline`` gives: a message or a part of one, or a control frame.
///
/// Offsets, not bytes: ``InboundPipeline/withBytes(of:window:_:)`` gets at them, until the pipeline's next step.
struct InboundPart {
  enum Kind: UInt8 { case needsMore, text, binary, ping, pong, close }

  /// Where the bytes are, for those who can share them instead of copying.
  enum Source: UInt8 { case window, assembly, scratch, control }

  var kind: Kind
  var source: Source = .window
  var frameFinished = true
  var messageFinished = true
  /// Of a close.
  var code: CloseReason = 0
  /// The payload's place in its source; of a close: the reason's.
  var offset = 0
  var count = 0

  static var needsMore: InboundPart { InboundPart(kind: .needsMore) }
}
