// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BenchSupport
import WSProto

enum MessageKind: String, ExpressibleByArgument, CaseIterable {
  case binary
  case text
}

/// Encodes messages.
struct EncodeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode",
    abstract: "Encodes length-prefixed messages as frames, masked for --role client.",
    discussion: """
      --api borrowed  Connection.sendBytes or sendText into a buffer that is kept
            events    Connection.send of an owned message into a buffer that is kept
            frame     FrameEncoder into a buffer that is kept
            header    FrameEncoder's header for a gather write; the payload is not touched (server)
      """
  )

  enum API: String, ExpressibleByArgument, CaseIterable {
    case borrowed
    case events
    case frame
    case header
  }

  @OptionGroup var common: CommonOptions

  @Option(help: "The file with the messages, each behind its length: 32 bits, big-endian.")
  var input: String

  @Option(help: "How messages are given.")
  var api: API = .borrowed

  @Option(help: "What the messages are.")
  var opcode: MessageKind = .binary

  func run() throws {
    let messages = try InputFile(path: input).messages()
    let isText = opcode == .text
    let client = common.role == .client
    let connection = Connection(client ? .client : .server)
    var encoder = FrameEncoder(client: client)
    var output: [UInt8] = []
    output.reserveCapacity((messages.lazy.map(\.count).max() ?? 0) + 64)
    if isText, !messages.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) {
      throw BenchError("a message is not UTF-8")
    }
    // Owned messages are made beforehand: an application has them already.
    let bytes = api == .events && !isText ? messages.map { Bytes(copying: $0) } : []
    let texts = api == .events && isText ? messages.map { String(decoding: $0, as: UTF8.self) } : []
    try common.measurement(operation: "encode", api: api.rawValue).run { totals in
      for index in messages.indices {
        let message = messages[index]
        output.removeAll(keepingCapacity: true)
        switch api {
        case .borrowed where isText:
          // Validated above: an application's text is valid by its type.
          let text = UTF8Span(unchecked: message.bindMemory(to: UInt8.self).span)
          try connection.sendText(text, into: &output)
        case .borrowed:
          try connection.sendBytes(message.bytes, into: &output)
        case .events where isText:
          try connection.send(TextMessage(data: texts[index]), into: &output)
        case .events:
          try connection.send(BytesMessage(data: bytes[index]), into: &output)
        case .frame:
          try encoder.encode(isText ? .text : .binary, payload: message, into: &output)
        case .header:
          let header = try encoder.header(isText ? .text : .binary, payloadLength: message.count)
          let last = message.last ?? 0
          totals.addFrame(
            length: header.count + message.count, payload: message.count, first: header[0], second: header[1], last: last)
          continue
        }
        output.withUnsafeBytes { totals.addFrame($0, payload: message.count) }
      }
    }
  }
}
