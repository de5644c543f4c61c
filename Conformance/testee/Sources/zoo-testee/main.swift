// SPDX-License-Identifier: Apache-2.0

// The testee of Conformance/zoo: a server, or a client that is told by lines on standard input what to do. What each
// path and each line means stands in Conformance/README.md.

import TesteeSupport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Prints one line at once: fields with tabs between.
func report(_ fields: String...) { report(fields) }

func report(_ fields: [String]) {
  let line = Array((fields.joined(separator: "\t") + "\n").utf8)
  // One call a line, so that lines of several threads do not mix.
  _ = line.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
}

switch CommandLine.arguments.dropFirst().first {
case "version": print("WSProto, this checkout")
case "server":
  guard CommandLine.arguments.count == 3, let wanted = UInt16(CommandLine.arguments[2]),
    let (listener, _) = Socket.listen(wanted)
  else {
    print("cannot listen")
    exit(1)
  }
  while let socket = listener.accept() {
    onThread {
      var session = ServerSession(socket)
      session.run()
    }
  }
case "client":
  // What to offer where a command does not say it, in place of the library's default.
  if CommandLine.arguments.count > 2 { ClientCommand.defaultOffer = CommandLine.arguments[2] }
  while let line = readLine() {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    do throws(Refusal) {
      let detail = try ClientCommand(fields).run()
      report(["ok"] + detail)
    } catch {
      switch error {
      case .cannot(let why): report("cannot", why)
      case .failed(let why): report("failed", why)
      }
    }
  }
default:
  print("usage: zoo-testee version | server PORT | client [OFFER]")
  exit(64)
}
