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
      --api borrowed  Connection.sendBytes or sendText into an array that is kept
            span      the same into memory of the caller
            events    Connection.send of an owned message into a buffer that is kept
            frame     FrameEncoder into a buffer that is kept
            header    FrameEncoder's header for a gather write; the payload is not touched (server)
      """
  )

  enum API: String, ExpressibleByArgument, CaseIterable {
    case borrowed
    case span
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
    if isText, !messages.allSatisfy({ String(validating: $0, as: UTF8.self) != nil }) {
      throw BenchError("a message is not UTF-8")
    }
    let connection = Connection(client ? .client : .server)
    let measurement = common.measurement(operation: "encode", api: api.rawValue)
    var output = Output(largest: messages.lazy.map(\.count).max() ?? 0)
    switch api {
    case .borrowed where isText:
      try measurement.run { totals in try output.send(messages, asText: true, from: connection, &totals) }
    case .borrowed:
      try measurement.run { totals in try output.send(messages, asText: false, from: connection, &totals) }
    case .span:
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: output.room, alignment: 64)
      defer { memory.deallocate() }
      try measurement.run { totals in
        if isText {
          try send(messages, asText: true, from: connection, to: memory, &totals)
        } else {
          try send(messages, asText: false, from: connection, to: memory, &totals)
        }
      }
    case .events where isText:
      // Owned messages are made beforehand: an application has them already.
      let events = messages.map { TextMessage(data: String(decoding: $0, as: UTF8.self)) }
      try measurement.run { totals in
        for event in events {
          try output.measure(event.data.utf8.count, &totals) { output throws(LocalProtocolError) in
            try connection.send(event, into: &output)
          }
        }
      }
    case .events:
      let events = messages.map { BytesMessage(data: Bytes(copying: $0)) }
      try measurement.run { totals in
        for event in events {
          try output.measure(event.data.count, &totals) { output throws(LocalProtocolError) in
            try connection.send(event, into: &output)
          }
        }
      }
    case .frame:
      var encoder = FrameEncoder(client: client)
      try measurement.run { totals in
        for message in messages {
          try output.measure(message.count, &totals) { output throws(LocalProtocolError) in
            try encoder.encode(isText ? .text : .binary, payload: message, into: &output)
          }
        }
      }
    case .header:
      guard !client else { throw BenchError("--api header is for servers: a client has to mask the payload") }
      var encoder = FrameEncoder(client: false)
      try measurement.run { totals in
        for message in messages {
          let header = try encoder.header(isText ? .text : .binary, payloadLength: message.count)
          totals.addFrame(
            length: header.count + message.count,
            payload: message.count,
            first: header[0],
            second: header[1],
            last: message.isEmpty ? 0 : message[message.count - 1]
          )
        }
      }
    }
  }
}

// What is sent is known where these are called, so that their loops hold one way each. Text has been validated: an
// application's is valid by its type.

/// Writes each message to the start of `memory`.
@inline(__always)
private func send(
  _ messages: [UnsafeRawBufferPointer],
  asText: Bool,
  from connection: Connection,
  to memory: UnsafeMutableRawBufferPointer,
  _ totals: inout Totals
) throws(LocalProtocolError) {
  guard let start = memory.baseAddress else { return }
  var sum = totals
  for message in messages {
    var span = OutputRawSpan(buffer: memory, initializedCount: 0)
    if asText {
      let text = UTF8Span(unchecked: message.bindMemory(to: UInt8.self).span)
      try connection.sendText(text, into: &span)
    } else {
      try connection.sendBytes(message.bytes, into: &span)
    }
    sum.addFrame(start, count: span.byteCount, payload: message.count)
  }
  totals = sum
}

/// The buffer that frames are appended to. It is emptied, its room kept, when 16 KiB are in it, as by a flush.
private struct Output {
  private var bytes: [UInt8] = []
  /// In bytes: room for the largest frame behind all that is not flushed yet.
  let room: Int
  private static let flushAt = 16384

  init(largest: Int) {
    room = Self.flushAt + largest + 64
    bytes.reserveCapacity(room)
  }

  /// Appends each message.
  @inline(__always)
  mutating func send(
    _ messages: [UnsafeRawBufferPointer],
    asText: Bool,
    from connection: Connection,
    _ totals: inout Totals
  ) throws(LocalProtocolError) {
    var sum = totals
    for message in messages {
      try measure(message.count, &sum) { output throws(LocalProtocolError) in
        if asText {
          let text = UTF8Span(unchecked: message.bindMemory(to: UInt8.self).span)
          try connection.sendText(text, into: &output)
        } else {
          try connection.sendBytes(message.bytes, into: &output)
        }
      }
    }
    totals = sum
  }

  @inline(__always)
  mutating func measure<Failure: Error>(
    _ payload: Int,
    _ totals: inout Totals,
    _ encode: (inout [UInt8]) throws(Failure) -> Void
  ) throws(Failure) {
    if bytes.count >= Self.flushAt { bytes.removeAll(keepingCapacity: true) }
    let start = bytes.count
    try encode(&bytes)
    bytes.withUnsafeBytes { all in
      guard let base = all.baseAddress else { return }
      totals.addFrame(base + start, count: all.count &- start, payload: payload)
    }
  }
}
