// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

/// Opening handshakes of a server.
struct HandshakeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handshake",
    abstract: "Reads Chrome's opening request, accepts it with permessage-deflate offered, writes the 101."
  )

  @OptionGroup var common: CommonOptions

  func run() throws {
    let request = Array(ChromeRequest.text.utf8)
    let accept = Array(ChromeRequest.accept.utf8)
    var output: [UInt8] = []
    output.reserveCapacity(1024)
    try handshake(request, &output)
    let found = output.indices.contains { output[$0...].starts(with: accept) }
    guard found, output.starts(with: Array("HTTP/1.1 101 ".utf8)) else { throw BenchError("a wrong answer") }
    let answer = output
    try common.measurement(operation: "handshake", api: "events").run { totals in
      for _ in 0..<1000 {
        try handshake(request, &output)
        guard output.count == answer.count else { throw BenchError("a different answer") }
        totals.messages &+= 1
        totals.payloadBytes &+= request.count
        totals.checksum &+= 101
      }
    }
  }

  private func handshake(_ request: [UInt8], _ output: inout [UInt8]) throws {
    output.removeAll(keepingCapacity: true)
    let server = WSConnection(.server)
    try server.receiveData(request)
    guard case .request = server.nextEvent() else { throw BenchError("no request") }
    try server.send(AcceptConnection(extensions: [PerMessageDeflate()]), into: &output)
  }
}
