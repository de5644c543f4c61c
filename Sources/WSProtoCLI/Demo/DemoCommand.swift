// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import WSProto
import WSProtoTool

struct DemoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "demo",
    abstract: "An echo server and a client talk over TCP on this machine; every step is shown and checked.",
    discussion: "Exit status 0 only if every step came back as it was sent."
  )

  @Flag(help: "Print JSON, one object a line.")
  var json = false

  @Option(help: "The loopback port to use; 0 lets the system choose.")
  var port = 0

  func validate() throws {
    guard 0...65535 ~= port else { throw ValidationError("--port must be in 0...65535") }
  }

  func run() throws {
    let listener = try Socket.listen(host: "127.0.0.1", port: port)
    let port = try listener.port()
    try detach {
      var options = EchoSession.Options()
      options.timeout = 10
      // As a server would: a few bytes gain nothing from compression.
      options.compressFrom = 512
      if let socket = try? listener.accept() {
        var session = EchoSession(socket, options)
        _ = session.run()
      }
      listener.close()
    }

    let printer = DemoPrinter(style: json ? .json : Terminal.style.hasColour ? .colour : .plain)
    printer.begin(port: port)
    var client = DemoClient(
      try Socket.connect(host: "127.0.0.1", port: port, timeout: 10),
      host: "127.0.0.1:\(port)",
      printer: printer
    )
    let failure = client.run()
    printer.end(failure: failure, client: client)
    if failure != nil { throw ExitCode.failure }
  }
}
#endif
