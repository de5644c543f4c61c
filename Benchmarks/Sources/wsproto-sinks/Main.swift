// SPDX-License-Identifier: Apache-2.0

import CAllocationCounter
import CCopyCounter
import NIOCore
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Sends messages into memory of the caller's, by each kind of it, and counts: how often each byte of payload moves, and
/// allocations in steady state. It moves once, into the caller's memory; a client's is masked on its way there. Exit status 1
/// where there is more.
@main
enum Main {
  static let messages = 100

  static func main() throws {
    guard wsb_allocations_are_counted() else {
      print("nothing is counted here: glibc only")
      exit(77)
    }
    print("\(messages) messages a row, after two rounds to warm up")
    var failures = 0
    for size in [1024, 16384, 65536] {
      let payload = [UInt8](repeating: 0x61, count: size)
      let prepared = PreparedMessage(bytes: Bytes(payload))
      for role in [ConnectionType.server, .client] {
        let connection = Connection(role)
        let room = connection.sizeBound(ofPayload: size)

        var array: [UInt8] = []
        array.reserveCapacity(room)
        failures += try count("array", role, size) {
          array.removeAll(keepingCapacity: true)
          try connection.sendBytes(payload.span.bytes, into: &array)
        }

        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 64)
        defer { memory.deallocate() }
        failures += try count("span", role, size) {
          var span = OutputRawSpan(buffer: memory, initializedCount: 0)
          try connection.sendBytes(payload.span.bytes, into: &span)
          _ = span.finalize(for: memory)
        }

        var buffer = ByteBufferAllocator().buffer(capacity: room)
        failures += try count("ByteBuffer", role, size) {
          buffer.clear()
          try buffer.writeWithOutputRawSpan(minimumWritableBytes: room) {
            (span) throws(LocalProtocolError) in
            try connection.sendBytes(payload.span.bytes, into: &span)
          }
        }
        failures += try count("ByteBuffer, prepared", role, size) {
          buffer.clear()
          try buffer.writeWithOutputRawSpan(minimumWritableBytes: room) {
            (span) throws(LocalProtocolError) in
            try connection.send(prepared, into: &span)
          }
        }
      }
    }
    // A count that cannot fail would be none: a sink that makes an array first.
    let server = Connection(.server)
    let payload = [UInt8](repeating: 0x61, count: 1024)
    var buffer = ByteBufferAllocator().buffer(capacity: 2048)
    let found = try count("ByteBuffer, by way of an array", .server, 1024) {
      buffer.clear()
      buffer.writeBytes(try server.sendBytes(payload))
    }
    print(found == 1 ? "which is found" : "which is not found")
    exit(found == 1 && failures == 0 ? 0 : 1)
  }

  /// 1 if there were more moves or allocations than are needed.
  static func count(_ sink: String, _ role: ConnectionType, _ size: Int, _ send: () throws -> Void) throws
    -> Int
  {
    for _ in 0..<2 * messages { try send() }
    let (allocations, copied) = (wsb_allocations(), wsb_bytes_copied())
    for _ in 0..<messages { try send() }
    let (made, bytes) = (wsb_allocations() - allocations, wsb_bytes_copied() - copied)
    let fits = made == 0 && bytes == UInt64(messages * size)
    let moves = Double(bytes) / Double(messages * size)
    print("\(role), \(size) B, \(sink): \(made) allocations, \(moves) moves a byte\(fits ? "" : ": wrong")")
    return fits ? 0 : 1
  }
}
