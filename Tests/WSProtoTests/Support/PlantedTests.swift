// SPDX-License-Identifier: Apache-2.0

// Faults for the sanitizers to find: `Conformance/sanitize --plant` runs each of these by itself and fails unless it is
// reported. No other build has them.
#if PLANTED && canImport(Glibc)

import CWSProtoKernels
import Glibc
import Testing

@testable import WSProto

@Suite struct PlantedTests {
  /// Bytes on the heap that several threads may get at.
  private struct Room: @unchecked Sendable {
    let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) {
      bytes = .allocate(byteCount: count, alignment: 1)
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    func mask(_ count: Int) {
      guard let base = bytes.baseAddress else { return }
      Masking.apply(0xA55A_C33C, to: base, count: count)
    }
  }

  @Test func readsBehindInSwift() {
    let room = Room(15)
    defer { room.bytes.deallocate() }
    room.mask(16)
  }

  @Test func readsBehindInC() {
    let room = Room(999)
    defer { room.bytes.deallocate() }
    room.mask(1000)
  }

  @Test func leaks() {
    _ = Room(100)
  }

  /// A validator's state, which belongs to one thread.
  private final class Shared: @unchecked Sendable {
    var validator = UTF8Validator()
  }

  @Test func racesInSwift() {
    let shared = Shared()
    let room = Room(100)
    defer { room.bytes.deallocate() }
    race { if let base = room.bytes.baseAddress { _ = shared.validator.validate(base, count: 100) } }
  }

  @Test func racesInC() {
    let room = Room(1000)
    defer { room.bytes.deallocate() }
    // The version of 16 bytes: more at once ThreadSanitizer doesn't look at.
    race { _ = cwsproto_mask_at_level(0, room.bytes.baseAddress, room.bytes.baseAddress, 1000, 1) }
  }

  /// On threads, as tasks may all run on the same one. Both begin after both are there: of two that run one after the
  /// other ThreadSanitizer takes the second for the first.
  private func race(_ body: @escaping () -> Void) {
    let barrier = UnsafeMutablePointer<pthread_barrier_t>.allocate(capacity: 1)
    defer { barrier.deallocate() }
    pthread_barrier_init(barrier, nil, 2)
    let threads = (0..<2).map { _ in
      start {
        pthread_barrier_wait(barrier)
        for _ in 0..<1000 { body() }
      }
    }
    for thread in threads { pthread_join(thread, nil) }
    pthread_barrier_destroy(barrier)
  }

  private final class Work {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  private func start(_ body: @escaping () -> Void) -> pthread_t {
    var thread = pthread_t()
    pthread_create(
      &thread,
      nil,
      { work in
        work.map { Unmanaged<Work>.fromOpaque($0).takeRetainedValue() }?.body()
        return nil
      },
      Unmanaged.passRetained(Work(body)).toOpaque()
    )
    return thread
  }
}

#endif
