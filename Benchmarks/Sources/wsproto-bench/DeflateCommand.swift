// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

/// Compresses messages into frames as a server and decodes these as the client.
struct DeflateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deflate",
    abstract:
      "Sends length-prefixed messages with permessage-deflate, context takeover, and receives them again."
  )

  @OptionGroup var common: CommonOptions

  @Option(help: "The file with the messages, each behind its length: 32 bits, big-endian.")
  var input: String

  @Option(help: "Bytes a read.")
  var chunk: ReadSize = .bytes(65536)

  @Option(help: "What the messages are.")
  var opcode: MessageKind = .text

  func run() throws {
    let messages = try InputFile(path: input).messages()
    let isText = opcode == .text
    if isText, !messages.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) {
      throw BenchError("a message is not UTF-8")
    }
    var expected = Totals()
    for message in messages { expected.add(message, opcode: isText ? 1 : 2) }
    var wire: [UInt8] = []
    try common.measurement(operation: "compress", api: "borrowed").run { totals in
      let (_, server) = try openPair()
      wire.removeAll(keepingCapacity: true)
      for message in messages {
        if isText {
          try server.sendText(UTF8Span(unchecked: message.bindMemory(to: UInt8.self).span), into: &wire)
        } else {
          try server.sendBytes(message.bytes, into: &wire)
        }
        totals.messages &+= 1
        totals.payloadBytes &+= message.count
        totals.checksum &+= UInt64(message.count) &* 31
      }
      totals.outputBytes = wire.count
    }
    guard let first = wire.first, first & 0x40 != 0 else {
      throw BenchError("permessage-deflate was not negotiated")
    }
    var readBytes = wire.count
    if case .bytes(let count) = chunk { readBytes = count }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: readBytes, alignment: 64)
    defer { buffer.deallocate() }
    var measurement = common.measurement(operation: "decompress", api: "borrowed")
    measurement.expected = expected
    try measurement.run { totals in
      let (client, _) = try openPair()
      var message = MessageParts()
      var sum = totals
      for start in stride(from: 0, to: wire.count, by: readBytes) {
        let count = min(readBytes, wire.count - start)
        wire.withUnsafeBytes {
          buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + count]))
        }
        let received = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
        var span = received.mutableBytes
        try client.receive(&span) { (event) throws(BenchError) in
          switch event {
          case .bytesMessage(let part):
            part.data.withUnsafeBytes { message.add($0, opcode: 2, finished: part.messageFinished, to: &sum) }
          case .textMessage(let part):
            part.data.span.bytes.withUnsafeBytes {
              message.add($0, opcode: 1, finished: part.messageFinished, to: &sum)
            }
          case .ping, .pong, .closeConnection, .handshake, .handshakeFailed:
            throw BenchError("not a message")
          }
        }
      }
      totals = sum
    }
  }
}

/// Both ends after an opening handshake that negotiated permessage-deflate.
func openPair() throws -> (client: WSConnection, server: WSConnection) {
  let configuration = Configuration(limits: Limits(maxMessageBytes: 1 << 30))
  let client = WSConnection(.client, configuration: configuration)
  let server = WSConnection(.server, configuration: configuration)
  let request = Request(host: "server.example.com", target: "/chat", extensions: [PerMessageDeflate()])
  try server.receiveData(client.send(request))
  guard case .request = server.nextEvent() else { throw BenchError("the server saw no request") }
  try client.receiveData(server.send(AcceptConnection(extensions: [PerMessageDeflate()])))
  guard case .acceptConnection = client.nextEvent() else { throw BenchError("the client was not accepted") }
  return (client, server)
}
