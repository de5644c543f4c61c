// SPDX-License-Identifier: Apache-2.0

/// What a pass over an input found; the checksums are defined in the benchmarks' README.
@frozen
public struct Totals: Sendable, Equatable {
  /// How many messages.
  public var messages = 0
  /// Their payloads.
  public var payloadBytes = 0
  /// Bytes that were written for them.
  public var outputBytes = 0
  /// The sum of their checksums, modulo 2^64.
  public var checksum: UInt64 = 0

  /// Nothing found yet.
  @inlinable
  public init() {}

  /// A delivered message, by its ends; an empty one has zeros there.
  @inlinable @inline(__always)
  public mutating func add(length: Int, opcode: UInt8, first: UInt8, last: UInt8) {
    messages &+= 1
    payloadBytes &+= length
    checksum &+= UInt64(truncatingIfNeeded: length) &* 31 &+ UInt64(opcode) &+ UInt64(first) &+ UInt64(last)
  }

  /// A delivered message.
  @inlinable @inline(__always)
  public mutating func add(_ payload: UnsafeRawBufferPointer, opcode: UInt8) {
    let count = payload.count
    guard count > 0 else { return add(length: 0, opcode: opcode, first: 0, last: 0) }
    add(length: count, opcode: opcode, first: payload[0], last: payload[count - 1])
  }

  /// An encoded frame, by its first two bytes and its last payload byte, unmasked.
  @inlinable @inline(__always)
  public mutating func addFrame(length: Int, payload: Int, first: UInt8, second: UInt8, last: UInt8) {
    messages &+= 1
    payloadBytes &+= payload
    outputBytes &+= length
    checksum &+= UInt64(truncatingIfNeeded: length) &* 31 &+ UInt64(first) &+ UInt64(second) &+ UInt64(last)
  }

  /// An encoded frame in one piece: `count` bytes, the last `payload` of which are its payload.
  @inlinable @inline(__always)
  public mutating func addFrame(_ frame: UnsafeRawPointer, count: Int, payload: Int) {
    let second = frame.load(fromByteOffset: 1, as: UInt8.self)
    var last: UInt8 = 0
    if payload > 0 {
      last = frame.load(fromByteOffset: count &- 1, as: UInt8.self)
      if second & 0x80 != 0 {
        let key = count &- payload &- 4
        last ^= frame.load(fromByteOffset: key &+ (payload &- 1) & 3, as: UInt8.self)
      }
    }
    addFrame(length: count, payload: payload, first: frame.load(as: UInt8.self), second: second, last: last)
  }
}
