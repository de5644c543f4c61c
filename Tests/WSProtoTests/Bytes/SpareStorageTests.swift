// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite struct SpareStorageTests {
  /// What a thread has seen, and what is left when it has ended.
  final class Seen {
    weak var block: ByteStorage?
    var isReused = false
    var isTakenOnce = false
  }

  /// Runs `body` in a thread of its own, and waits until that has ended.
  private func inThread(
    _ seen: Seen,
    _ body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?
  ) {
    #if canImport(Darwin)
    var thread: pthread_t?
    pthread_create(&thread, nil, { body($0) }, Unmanaged.passUnretained(seen).toOpaque())
    if let thread { pthread_join(thread, nil) }
    #else
    var thread = pthread_t()
    pthread_create(&thread, nil, body, Unmanaged.passUnretained(seen).toOpaque())
    pthread_join(thread, nil)
    #endif
  }

  @Test("a thread keeps one block for its next read, gives it out once, and releases it when it ends")
  func threadsBlock() {
    let seen = Seen()
    inThread(seen) { context in
      guard let context else { return nil }
      let seen = Unmanaged<Seen>.fromOpaque(context).takeUnretainedValue()
      SpareStorage.keep(Unmanaged.passRetained(ByteStorage.allocate(Retention.receiveBuffer)))
      if let block = SpareStorage.ofThread(upTo: SpareStorage.Block.largestRead) {
        seen.isReused = true
        seen.isTakenOnce = SpareStorage.ofThread(upTo: SpareStorage.Block.largestRead) == nil
        SpareStorage.keep(block)
      }
      let storage = SpareStorage.take(Retention.receiveBuffer)
      seen.block = storage
      SpareStorage.keep(Unmanaged.passRetained(storage))
      return nil
    }
    #expect(seen.isReused)
    #expect(seen.isTakenOnce)
    #expect(seen.block == nil)
  }

  @Test("a block has room for the largest read behind its aligned start, and is for no other reads")
  func room() throws {
    SpareStorage.keep(Unmanaged.passRetained(ByteStorage.allocate(Retention.receiveBuffer)))
    #expect(SpareStorage.ofThread(upTo: SpareStorage.Block.largestRead + 1) == nil)
    #expect(SpareStorage.ofThread(upTo: SpareStorage.Block.reads.lowerBound - 1) == nil)
    let block = try #require(SpareStorage.ofThread(upTo: SpareStorage.Block.largestRead))
    #expect(UInt(bitPattern: block.room) % UInt(ReceiveBuffer.alignment) == 0)
    #expect(block.room - block.base + SpareStorage.Block.largestRead <= Retention.receiveBuffer)
    // Also of a frame with 16 KiB of payload.
    #expect(SpareStorage.Block.largestRead >= 16384 + 8)
    SpareStorage.keep(block)
  }
}
