// SPDX-License-Identifier: Apache-2.0

import TesteeSupport
import WSProto

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

let mode = option("mode").flatMap(Mode.init) ?? .whole
let agent = option("agent") ?? "WSProto"
guard let url = option("url"), let port = url.split(separator: ":").last.flatMap({ UInt16($0) }) else {
  print("usage: autobahn-client --url ws://127.0.0.1:PORT [--agent NAME] [--mode MODE]")
  exit(64)
}

/// Connects, echoes until the server closes, and returns the last text.
func run(_ target: String) -> String {
  guard let socket = Socket.connect(port) else {
    print("cannot connect to port \(port)")
    exit(1)
  }
  var echo = Echo(.client, socket, mode: mode)
  echo.run(
    request: Request(host: "127.0.0.1:\(port)", target: target, extensions: [PerMessageDeflate()])
  )
  return echo.lastText
}

guard let count = Int(run("/getCaseCount")) else {
  print("the server told no case count")
  exit(1)
}
for number in 1...max(1, count) { _ = run("/runCase?case=\(number)&agent=\(agent)") }
_ = run("/updateReports?agent=\(agent)")
