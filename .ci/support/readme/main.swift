// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif
import WSProto

// The samples of the documentation, which the script puts into a file beside this one as they stand, in conversations
// with every sort of peer.

nonisolated(unsafe) var printed: [String] = []

/// In place of the library's, for the samples.
func print(_ items: Any...) {
  printed.append(items.map { "\($0)" }.joined(separator: " "))
}

func say(_ line: String) { Swift.print(line) }

nonisolated(unsafe) var conversations = 0
nonisolated(unsafe) var failures = 0

/// Has a sample talk to the peer of each case, with its bytes cut in each way.
func run(_ sample: String, _ cases: [Case], _ talk: (Transport) throws -> Void) {
  for one in cases {
    for cut in Transport.Cut.allCases {
      conversations += 1
      printed = []
      var problem: String?
      do {
        let peer = try one.peer()
        do {
          try talk(Transport(peer, cut))
          if one.isRemoteError { problem = "no error" }
        } catch ProtocolError.remote(let error) {
          if !one.isRemoteError { problem = "throws \(error)" }
        }
        if peer.heard != one.heard { problem = problem ?? "says \(peer.heard), not \(one.heard)" }
        if printed != one.printed { problem = problem ?? "prints \(printed), not \(one.printed)" }
      } catch {
        problem = "throws \(error)"
      }
      if let problem {
        failures += 1
        say("\(sample): \(one.name), \(cut): \(problem)")
      }
    }
  }
}

// Whatever spins without a call of ours.
alarm(60)

run("README, client", clientCases()) { transport in
  try readmeClient(read: transport.read, write: transport.write)
}
run("README, server", serverCases()) { transport in
  let server = WSConnection(.server)
  while server.state != .closed { try transport.write(echo(transport.read(), on: server)) }
}
run("Integrating I/O, server", serverCases()) { transport in
  try serve(
    read: { buffer in
      let bytes = try transport.read()
      buffer.replaceSubrange(..<bytes.count, with: bytes)
      return bytes.count
    },
    write: transport.write
  )
}

printed = []
try firstConversation()
let conversation = ["asked for /chat", "open: true", "Hello", "closed with 1000"]
if printed != conversation {
  failures += 1
  say("Getting started: prints \(printed), not \(conversation)")
}

say("\(conversations) conversations with the samples of the documentation, \(failures) not as they should be")
exit(failures == 0 ? 0 : 1)
