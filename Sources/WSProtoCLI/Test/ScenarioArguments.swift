// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// How `test`, `record` and `replay` reach servers.
struct ScenarioArguments: ParsableArguments {
  @OptionGroup var trust: TrustArguments

  func network() throws -> SocketNetwork {
    // Which servers a file connects to is known when it runs.
    var tls = try trust.tls(isNeeded: false)
    tls.keyLog = try KeyLog.callback(file: nil).map { TLSKeyLog($0) }
    return SocketNetwork(tls: tls)
  }
}

/// All of a file, or of standard input.
func contents(of path: String, atMost limit: Int) throws(ToolFailure) -> [UInt8] {
  let file = try InputFile(path)
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  while true {
    let count = try file.read(into: &buffer)
    guard count > 0 else { return all }
    all += buffer[..<count]
    guard all.count <= limit else { throw ToolFailure(.input, "\(file.name) has more than \(limit) bytes") }
  }
}
#endif
