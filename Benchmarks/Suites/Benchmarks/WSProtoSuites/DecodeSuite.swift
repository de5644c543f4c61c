// SPDX-License-Identifier: Apache-2.0

import Benchmark
import WSProto

/// One frame a read at sizes around the length forms, within the 16 KiB that a connection keeps a buffer for.
func decodeSuite() {
  for size in [16, 125, 1024, 8192] {
    Benchmark("decode, borrowed, binary, \(size) B") { benchmark in
      let (wire, server) = receiver(size, text: false)
      benchmark.measure(allocatesNothing: true) { receive(wire, server) }
    }
    Benchmark("decode, borrowed, text, \(size) B") { benchmark in
      let (wire, server) = receiver(size, text: true)
      benchmark.measure(allocatesNothing: true) { receive(wire, server) }
    }
    // An owned event shares the storage of its read: one allocation a read is by design.
    Benchmark("decode, owned, binary, \(size) B") { benchmark in
      let (wire, server) = receiver(size, text: false)
      benchmark.measure(allocatesNothing: false) {
        do { try server.receiveData(wire) } catch { fatalError("\(error)") }
        while let event = server.nextEvent() { blackHole(event) }
      }
    }
  }
}

/// The bytes of one frame, and the server that is to receive them.
private func receiver(_ size: Int, text: Bool) -> ([UInt8], Connection) {
  let client = Connection(.client)
  let bytes = payload(size)
  let event: Event =
    text
    ? .textMessage(TextMessage(data: String(decoding: bytes, as: UTF8.self)))
    : .bytesMessage(BytesMessage(data: Bytes(bytes)))
  do {
    let wire = try client.send(event)
    return (wire, Connection(.server, configuration: Configuration(delivery: .wholeMessages)))
  } catch {
    fatalError("\(error)")
  }
}

private func receive(_ wire: [UInt8], _ server: Connection) {
  var length = 0
  wire.withUnsafeBytes { bytes in
    _ = server.receive(
      upTo: 16384,
      reading: { room in
        room.copyMemory(from: bytes)
        return bytes.count
      },
      { event in
        switch event {
        case .bytesMessage(let part): length = part.data.byteCount
        case .textMessage(let part): length = part.data.count
        default: fatalError("not a message")
        }
      }
    )
  }
  blackHole(length)
}
