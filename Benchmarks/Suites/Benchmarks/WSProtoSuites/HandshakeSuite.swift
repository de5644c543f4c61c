// SPDX-License-Identifier: Apache-2.0

import Benchmark
import WSProto

/// A request to the written 101, a new connection each time.
func handshakeSuite() {
  Benchmark("handshake, server") { benchmark in
    let request = [UInt8](
      """
      GET /chat HTTP/1.1\r
      Host: server.example.com\r
      Connection: Upgrade\r
      Upgrade: websocket\r
      Origin: http://server.example.com\r
      Sec-WebSocket-Version: 13\r
      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
      \r

      """.utf8
    )
    var output: [UInt8] = []
    benchmark.measure(allocatesNothing: false) {
      output.removeAll(keepingCapacity: true)
      let server = WSConnection(.server)
      do {
        try server.receiveData(request)
        guard case .request = server.nextEvent() else { fatalError("no request") }
        try server.send(AcceptConnection(), into: &output)
      } catch {
        fatalError("\(error)")
      }
    }
    blackHole(output.count)
  }
}
