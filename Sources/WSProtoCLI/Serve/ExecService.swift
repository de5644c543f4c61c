// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import HTTPTypes
import NIOCore
import NIOPosix
import WSProto
import WSProtoNIO
import WSProtoTool

/// A command for each connection: it reads the messages, and what it writes is messages.
struct ExecService: ServedConversation {
  let command: String
  let framing: CommandFraming
  /// A longer message of the command's ends the connection.
  let maxMessage: Int
  /// The pipes, and for a moment the child's ends of them.
  let descriptorsPerConnection = 5

  func serve(_ connection: ServedConnection) async throws {
    let socket = connection.socket
    let child: ChildProcess
    do {
      child = try ChildProcess.start(command, environment: Self.environment(of: socket))
    } catch {
      Terminal.printError("\(error)")
      throw ServiceClose(code: .internalError, reason: "the command cannot be run")
    }
    let (input, output) = try await Self.pipes(of: child)
    do {
      try await talk(input, output, connection)
    } catch is WebSocketClosed {
      // The peer has gone.
    } catch let error as ServiceClose {
      await child.end()
      throw error
    } catch {
      // The pipe of its output cannot be read.
    }
    if let status = await child.end(), status != 0, !Task.isCancelled {
      throw ServiceClose(code: .internalError, reason: "the command has ended with status \(status)")
    }
  }

  /// The pipes as channels of their own: a command that has closed its standard input may still write.
  private static func pipes(of child: ChildProcess) async throws
    -> (input: TCPBridge.Stream, output: TCPBridge.Stream)
  {
    let bootstrap = NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    let output: TCPBridge.Stream
    do {
      output = try await bootstrap.takingOwnershipOfDescriptor(input: child.output) { TCPBridge.wrap($0) }
    } catch {
      child.closePipes()
      await child.end()
      throw error
    }
    do {
      let input = try await bootstrap.takingOwnershipOfDescriptor(output: child.input) { TCPBridge.wrap($0) }
      return (input, output)
    } catch {
      child.closeInput()
      try? await output.channel.close()
      await child.end()
      throw error
    }
  }

  private func talk(_ input: TCPBridge.Stream, _ output: TCPBridge.Stream, _ connection: ServedConnection)
    async throws
  {
    try await output.executeThenClose { inbound, _ in
      try await input.executeThenClose { _, outbound in
        try await talk(inbound, outbound, connection)
      }
    }
  }

  private func talk(
    _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
    _ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
    _ connection: ServedConnection
  ) async throws {
    let socket = connection.socket
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        var isTaken = true
        for try await message in socket.messages {
          connection.count(message)
          guard isTaken else { continue }
          let bytes: [UInt8]
          do throws(CommandFraming.Unframeable) {
            bytes = try framing.input(Array(message.bytes.readableBytesView), isText: message.kind == .text)
          } catch {
            throw ServiceClose(code: .unsupportedData, reason: error.reason)
          }
          do {
            try await outbound.write(ByteBuffer(bytes: bytes))
          } catch {
            isTaken = false
          }
        }
        outbound.finish()
        return false
      }
      group.addTask {
        try await copyOutput(inbound, socket)
        return true
      }
      defer { group.cancelAll() }
      // Where the messages have ended, the command may still answer, but to nobody.
      _ = try await group.next()
    }
  }

  private func copyOutput(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ socket: WebSocket)
    async throws
  {
    var splitter = InputSplitter(framing.output)
    for try await bytes in inbound {
      let messages = splitter.add(Array(bytes.readableBytesView)[...])
      guard splitter.unfinished <= maxMessage else {
        throw ServiceClose(code: .messageTooBig, reason: "a message of the command is too long")
      }
      for message in messages { try await send(message, socket) }
    }
    if let last = splitter.end() { try await send(last, socket) }
  }

  private func send(_ message: [UInt8], _ socket: WebSocket) async throws {
    if framing == .stream { return try await socket.send(message) }
    // Replaces what is not UTF-8.
    try await socket.send(String(decoding: message, as: UTF8.self))
  }

  /// What the command is told of its connection, as CGI scripts are (RFC 3875 §4.1).
  private static func environment(of socket: WebSocket) -> [String: String] {
    let target = socket.request.target
    let query = target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) }
    return [
      "REMOTE_ADDR": socket.remoteAddress?.ipAddress ?? "",
      "REQUEST_URI": target,
      "QUERY_STRING": query ?? "",
      "HTTP_HOST": socket.request.host,
      "HTTP_ORIGIN": socket.request.extraHeaders[.origin] ?? "",
    ]
  }
}
#endif
