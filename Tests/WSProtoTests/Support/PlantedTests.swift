// SPDX-License-Identifier: Apache-2.0

// Faults for the sanitizers to find: `Conformance/sanitize --plant` runs each of these separately and fails
// unless it is reported. No other build contains them.
#if PLANTED && canImport(Glibc)

import CWSProtoKernels
import Glibc
import Synchronization
import Testing

@testable import WSProto

@Suite struct PlantedTests {
  /// Bytes on the heap that several threads can access.
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

  private final class Counter: @unchecked Sendable {
    var count = 0
  }

  @Test func racesInSwift() {
    // A plain load and a plain store: ThreadSanitizer doesn't see those in the standard library's functions.
    let counter = Counter()
    race { counter.count &+= 1 }
  }

  @Test func racesInC() {
    let room = Room(1000)
    defer { room.bytes.deallocate() }
    // The 16-byte version: ThreadSanitizer doesn't check wider accesses.
    race { _ = cwsproto_mask_at_level(0, room.bytes.baseAddress, room.bytes.baseAddress, 1000, 1) }
  }

  /// On threads, as tasks may all run on the same one. Neither begins before both are there, nor ends before both are done:
  /// ThreadSanitizer may give the place of a thread that has ended to the next, and takes the two for one then. They meet
  /// by relaxed atomics, which order nothing; a barrier would order a quick thread's work before the other's.
  private func race(_ body: @escaping () -> Void) {
    let meetings = Meetings()
    let threads = (0..<2).map { _ in
      start {
        meetings.begin.meet()
        for _ in 0..<1000 { body() }
        meetings.end.meet()
      }
    }
    for thread in threads { pthread_join(thread, nil) }
  }

  private final class Meetings: Sendable {
    let begin = Meeting()
    let end = Meeting()
  }

  private struct Meeting: ~Copyable {
    let arrived = Atomic(0)

    func meet() {
      arrived.add(1, ordering: .relaxed)
      while arrived.load(ordering: .relaxed) < 2 { sched_yield() }
    }
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
