// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct AssemblyBufferTests {
  static func append(_ buffer: inout AssemblyBuffer, _ bytes: [UInt8], key: UInt32 = 0) {
    bytes.withUnsafeBytes { raw in
      if let base = raw.baseAddress { buffer.append(base, count: raw.count, key: key) }
    }
  }

  @Test("parts are joined and unmasked in one pass (RFC 6455 §5.3)")
  func joins() {
    var buffer = AssemblyBuffer()
    #expect(buffer.base == nil)
    Self.append(&buffer, [1, 2, 3])
    Self.append(&buffer, [0x11, 0x22, 0x33, 0x44, 0x55], key: 0x4433_2211)
    #expect(buffer.count == 8)
    #expect(Array(buffer.take()) == [1, 2, 3, 0, 0, 0, 0, 0x44])
    #expect(buffer.count == 0 && buffer.take().isEmpty)
  }

  @Test("storage is kept when cleared, handed over when taken, released when large and idle")
  func storage() {
    var buffer = AssemblyBuffer()
    Self.append(&buffer, [UInt8](repeating: 1, count: 5000))
    let base = buffer.base
    buffer.clear()
    #expect(buffer.count == 0 && buffer.base == base)
    buffer.settle(keeping: 40_000)
    #expect(buffer.base == base)
    buffer.settle(keeping: 10)
    #expect(buffer.base == nil)
    Self.append(&buffer, [9])
    let taken = buffer.take()
    Self.append(&buffer, [8])
    #expect(taken == [9])
    buffer.clear()
    // Bytes that fill the storage share it; if they fill little of it, they are copied and the storage stays.
    Self.append(&buffer, [UInt8](repeating: 2, count: 3000))
    let second = buffer.base
    let shared = buffer.take()
    #expect(buffer.base == nil && shared.count == 3000)
    #expect(shared.withUnsafeBytes { $0.baseAddress } == UnsafeRawPointer(second))
    Self.append(&buffer, [5])
    let third = buffer.base
    #expect(buffer.take() == [5] && buffer.base == third)
  }
}
