// SPDX-License-Identifier: Apache-2.0

/// The three reserved bits of a frame (RFC 6455 §5.2). Zero unless a negotiated extension gives them a meaning.
public struct RsvBits: Sendable, Hashable {
  /// RSV1 in bit 2, RSV2 in bit 1, RSV3 in bit 0, as on the wire after a shift by four.
  @usableFromInline package var bits: UInt8

  /// No reserved bit set.
  @inlinable public static var none: RsvBits { RsvBits(false, false, false) }

  /// The bits in wire order.
  @inlinable public init(_ rsv1: Bool, _ rsv2: Bool, _ rsv3: Bool) {
    bits = (rsv1 ? 4 : 0) | (rsv2 ? 2 : 0) | (rsv3 ? 1 : 0)
  }

  /// From the first byte of a frame.
  @inlinable package init(firstByte: UInt8) { bits = (firstByte >> 4) & 0x7 }

  /// RSV1; permessage-deflate marks compressed messages with it (RFC 7692 §6).
  @inlinable public var rsv1: Bool {
    get { bits & 4 != 0 }
    set { bits = newValue ? bits | 4 : bits & ~4 }
  }
  /// RSV2.
  @inlinable public var rsv2: Bool {
    get { bits & 2 != 0 }
    set { bits = newValue ? bits | 2 : bits & ~2 }
  }
  /// RSV3.
  @inlinable public var rsv3: Bool {
    get { bits & 1 != 0 }
    set { bits = newValue ? bits | 1 : bits & ~1 }
  }

  /// Whether every bit set here is set in `other` too.
  @inlinable package func isSubset(of other: RsvBits) -> Bool { bits & ~other.bits == 0 }

  /// Adds the bits of `other`.
  @inlinable package mutating func formUnion(_ other: RsvBits) { bits |= other.bits }
}
