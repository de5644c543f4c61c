// SPDX-License-Identifier: Apache-2.0

#if Tool
import ArgumentParser
import Foundation
import HTTPTypes
import WSProto
import WSProtoFoundation

struct ConnectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "connect",
    abstract: "A client: each line of standard input is sent as a message, what arrives is printed.",
    discussion: """
      After the end of the input the connection is closed when the server has been silent for a while (--linger), or \
      has sent a number of messages (--count). Exit status 0 if the connection was closed in order, with 1000, 1001, \
      1005 or the code given.
      """
  )

  @Argument(help: "The address: ws://host:port/path")
  var url: String

  @Option(name: .customLong("header"), help: "A further field of the request, as 'Name: value'.")
  var headers: [String] = []

  @Option(name: .customLong("subprotocol"), help: "A subprotocol to ask for; the first is preferred.")
  var subprotocols: [String] = []

  @Flag(inversion: .prefixedNo, help: "Offer permessage-deflate.")
  var compression = true

  @Flag(help: "Send lines as binary messages.")
  var binary = false

  @Option(help: "Send messages in frames of so many bytes (text: at least; characters stay whole).")
  var fragment: Int?

  @Option(help: "The code to close with.")
  var closeCode: UInt16 = 1000

  @Option(help: "The reason to close with.")
  var closeReason: String?

  @Option(help: "Close when so many messages have arrived.")
  var count: Int?

  @Option(help: "Seconds of silence after the end of the input before the close, where no count is given.")
  var linger = 0.5

  @Option(help: "The largest message to take, in bytes.")
  var maxMessage = 64 << 20

  @Option(help: "Seconds to wait for the handshake, and for the answer to the close.")
  var timeout = 10

  @Flag(help: "Print all events as JSON, one object a line; binary payloads in hexadecimal.")
  var json = false

  private func parsedURL() throws -> (URL, WebSocketURL) {
    guard let url = URL(string: url) else { throw ValidationError("not a URL: \(url.debugDescription)") }
    let parts: WebSocketURL
    do {
      parts = try WebSocketURL(url)
    } catch {
      throw ValidationError(error.description)
    }
    if parts.isSecure {
      throw ValidationError("wss needs TLS, which this command does not speak: use ws")
    }
    return (url, parts)
  }

  private func fields() throws -> Headers {
    var fields = Headers()
    for header in headers {
      let parts = header.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else {
        throw ValidationError("--header needs 'Name: value', not \(header.debugDescription)")
      }
      fields.append(HTTPField(name: name, value: parts[1].trimmingCharacters(in: .whitespaces)))
    }
    return fields
  }

  func validate() throws {
    _ = try parsedURL()
    _ = try fields()
    if let fragment, fragment < 1 { throw ValidationError("--fragment must be at least 1") }
    guard CloseReason(closeCode).isSendable || closeCode == 1005 else {
      throw ValidationError(
        "--close-code must be in 1000...1003, 1007...1014 or 3000...4999, or 1005 for none"
      )
    }
    if closeCode == 1005, closeReason != nil { throw ValidationError("--close-reason needs a code") }
    guard maxMessage >= 1 else { throw ValidationError("--max-message must be at least 1") }
    if let count, count < 1 { throw ValidationError("--count must be at least 1") }
    guard 0...3600 ~= linger else { throw ValidationError("--linger must be in 0...3600") }
    guard 1...3600 ~= timeout else { throw ValidationError("--timeout must be in 1...3600") }
  }

  func run() throws {
    let (url, address) = try parsedURL()
    let request = try Request(
      url: url,
      extensions: compression ? [PerMessageDeflate()] : [],
      extraHeaders: fields(),
      subprotocols: subprotocols
    )
    // Before there is a socket: a request that cannot be sent is a matter of the command line.
    do {
      _ = try WSConnection(.client).send(request)
    } catch {
      throw ValidationError(error.description)
    }
    var session = ClientSession(
      try Socket.connect(host: address.host, port: address.port, timeout: timeout),
      options: ClientSession.Options(
        limits: Limits(maxMessageBytes: maxMessage),
        binary: binary,
        fragment: fragment,
        close: CloseConnection(code: CloseReason(closeCode), reason: closeReason),
        timeout: timeout,
        count: count,
        linger: linger
      ),
      printer: ClientPrinter(json: json)
    )
    try session.run(request)
  }
}
#endif
