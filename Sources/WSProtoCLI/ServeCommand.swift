// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import WSProto

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "An echo server.",
    discussion: "Prints its address when it listens, and a line for each connection that has ended."
  )

  @Option(help: "The name or address to listen at.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen at; 0 lets the system choose.")
  var port = 9001

  @Flag(inversion: .prefixedNo, help: "Accept permessage-deflate.")
  var compression = true

  @Flag(help: "Take and return whole messages instead of parts as they arrive.")
  var whole = false

  @Option(help: "How many bytes to read at once.")
  var chunkSize = 64 << 10

  @Option(help: "The largest message to take, in bytes.")
  var maxMessage = 64 << 20

  @Option(help: "Seconds that a peer may be silent; 0 for any time.")
  var timeout = 0

  @Option(help: "Stop after so many connections.")
  var connections: Int?

  @Flag(help: "Print nothing but the address.")
  var quiet = false

  func validate() throws {
    guard 0...65535 ~= port else { throw ValidationError("--port must be in 0...65535") }
    guard 1...(16 << 20) ~= chunkSize else { throw ValidationError("--chunk-size must be in 1...16777216") }
    guard maxMessage >= 1 else { throw ValidationError("--max-message must be at least 1") }
    guard 0...86400 ~= timeout else { throw ValidationError("--timeout must be in 0...86400") }
    if let connections, connections < 1 { throw ValidationError("--connections must be at least 1") }
  }

  func run() throws {
    let listener = try Socket.listen(host: host, port: port)
    defer { listener.close() }
    let name = host.contains(":") ? "[\(host)]" : host
    Terminal.print("listening at ws://\(name):\(try listener.port())/")

    var options = EchoSession.Options()
    options.configuration = Configuration(
      delivery: whole ? .wholeMessages : .chunks,
      limits: Limits(maxMessageBytes: maxMessage)
    )
    options.compression = compression
    options.readSize = chunkSize
    options.timeout = timeout

    var number = 0
    while true {
      number += 1
      let accepted = try listener.accept()
      if number == connections {
        // The last one keeps the process alive.
        serve(accepted, number, options)
        return
      }
      try detach { [number, options, self] in serve(accepted, number, options) }
    }
  }

  private func serve(_ socket: Socket, _ number: Int, _ options: EchoSession.Options) {
    var session = EchoSession(socket, options)
    let outcome = session.run()
    if quiet { return }
    var line = "#\(number) \(outcome.target) \(outcome.messages) messages, \(outcome.received) bytes in"
    if let close = outcome.close {
      line += ", closed with \(close.code)"
      if let reason = close.reason, !reason.isEmpty { line += " \(reason.debugDescription)" }
    }
    if let failure = outcome.failure { line += ", failed: \(failure)" }
    Terminal.print(line)
  }
}
#endif
