// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import HTTPTypes
import NIOCore
import NIOPosix
import WSProto
import WSProtoNIO
import WSProtoTool

/// A command for each connection: messages are lines of its standard input, and its lines are messages.
struct ExecService: ServedConversation {
  let command: String
  let isBinary: Bool
  /// A longer line of the command's ends the connection.
  let maxLine: Int
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
    let stream: TCPBridge.Stream
    do {
      stream = try await NIOPipeBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .takingOwnershipOfDescriptors(input: child.output, output: child.input) { TCPBridge.wrap($0) }
    } catch {
      child.closePipes()
      await child.end()
      throw error
    }
    do {
      try await talk(stream, connection)
    } catch is WebSocketClosed {
      // The peer has gone, or the command takes nothing any more.
    } catch let error as ServiceClose {
      await child.end()
      throw error
    } catch {
      // A pipe that the command has closed.
    }
    let status = await child.end()
    if status != 0, !Task.isCancelled {
      throw ServiceClose(code: .internalError, reason: "the command has ended with status \(status)")
    }
  }

  private func talk(_ stream: TCPBridge.Stream, _ connection: ServedConnection) async throws {
    let socket = connection.socket
    try await stream.executeThenClose { inbound, outbound in
      try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          for try await message in socket.messages {
            connection.count(message)
            var bytes = message.bytes
            if !isBinary { bytes.writeInteger(UInt8(ascii: "\n")) }
            try await outbound.write(bytes)
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
  }

  private func copyOutput(_ inbound: NIOAsyncChannelInboundStream<ByteBuffer>, _ socket: WebSocket)
    async throws
  {
    var splitter = InputSplitter(isBinary ? .chunks : .lines)
    var unfinished = 0
    for try await bytes in inbound {
      let messages = splitter.add(Array(bytes.readableBytesView)[...])
      unfinished = messages.isEmpty ? unfinished + bytes.readableBytes : bytes.readableBytes
      guard unfinished <= maxLine else {
        throw ServiceClose(code: .messageTooBig, reason: "a line of the command is too long")
      }
      for message in messages { try await send(message, socket) }
    }
    if let last = splitter.end() { try await send(last, socket) }
  }

  private func send(_ line: [UInt8], _ socket: WebSocket) async throws {
    if isBinary { return try await socket.send(line) }
    // Replaces what is not UTF-8.
    try await socket.send(String(decoding: line, as: UTF8.self))
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
