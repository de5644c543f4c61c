// SPDX-License-Identifier: Apache-2.0

// Faults for the sanitizers to find: `Conformance/sanitize --plant` runs each of these by itself and fails unless it is
// reported. No other build has them.
#if PLANTED

  import Testing

  @testable import WSProto

  @Suite struct PlantedTests {
    /// Bytes on the heap, that several tasks may get at.
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

    @Test func racesInSwift() async { await race(16) }

    @Test func racesInC() async { await race(1000) }

    private func race(_ count: Int) async {
      let room = Room(count)
      defer { room.bytes.deallocate() }
      await withTaskGroup { group in
        for _ in 0..<8 {
          group.addTask { for _ in 0..<1000 { room.mask(count) } }
        }
      }
    }
  }

#endif
