// SPDX-License-Identifier: Apache-2.0

public import WSProto

/// What an ``Inspection`` keeps and shows. All sizes are in bytes, and bound its memory.
public struct InspectionOptions: Sendable {
  /// How much of each data frame's payload a ``FrameRecord`` has. Default 64.
  public var framePreviewBytes = 64
  /// How much of each message a ``MessageRecord`` has. Default 64 KiB.
  public var messageBytes = 64 << 10
  /// How many TCP connections are followed at once; beyond that, those that have been idle longest are given up.
  /// Default 1024. Each may hold up to 2 MiB of reordered segments, all together 64 MiB, and the windows of
  /// permessage-deflate.
  public var maxConnections = 1024
  /// The only connection to be told of; `nil` for all.
  public var connection: Int?
  /// For a file of one direction: who sent it. `nil` if its first bytes are to show that.
  public var sender: ConnectionType?
  /// What the file is; `nil` if its first bytes are to show that.
  public var format: CaptureFormat?

  /// The defaults.
  public init() {}
}
