// SPDX-License-Identifier: Apache-2.0

import Benchmark
import WSProto

/// permessage-deflate, one message out and in again, context takeover.
func deflateSuite() {
  for size in [1024, 16384] {
    Benchmark("deflate and inflate, \(size) B", configuration: .init(scalingFactor: .one)) { benchmark in
      let (client, server) = open()
      let text = String(decoding: payload(size), as: UTF8.self)
      var wire: [UInt8] = []
      benchmark.measure(allocatesNothing: false) {
        wire.removeAll(keepingCapacity: true)
        do { try client.send(TextMessage(data: text), into: &wire) } catch { fatalError("\(error)") }
        let count = wire.count
        server.receive(&wire, count: count) { event in
          guard case .textMessage(let part) = event else { fatalError("not a part.data") }
          blackHole(part.data.count)
        }
      }
    }
  }
}

private func open() -> (client: WSConnection, server: WSConnection) {
  let configuration = Configuration(delivery: .wholeMessages)
  let client = WSConnection(.client, configuration: configuration)
  let server = WSConnection(.server, configuration: configuration)
  do {
    let request = Request(host: "example.com", target: "/", extensions: [PerMessageDeflate()])
    try server.receiveData(client.send(request))
    guard case .request = server.nextEvent() else { fatalError("no request") }
    try client.receiveData(server.send(AcceptConnection(extensions: [PerMessageDeflate()])))
    guard case .acceptConnection = client.nextEvent() else { fatalError("not accepted") }
  } catch {
    fatalError("\(error)")
  }
  return (client, server)
}
