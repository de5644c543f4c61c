// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore
import NIOPosix
import Testing

@testable import WSProtoNIO

@Suite("Tasks on an event loop", .timeLimit(.minutes(5)))
struct EventLoopExecutorTests {
  @Test(
    "a task that yields for ever keeps its event loop from nothing: neither from what others send nor from timers"
  )
  func yields() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    var options = WebSocketServerOptions()
    options.eventLoopGroup = group
    try await withServer(
      options,
      handler: { socket in
        for try await message in socket.messages {
          if message == "spin" {
            while !Task.isCancelled, !socket.hasEnded { await Task.yield() }
          } else {
            try await socket.send(message)
          }
        }
      }
    ) { address, _ in
      let url = "ws://127.0.0.1:\(try #require(address.port))/"
      try await WebSocketClient.connect(to: url) { spinning in
        try await spinning.send("spin")
        try await WebSocketClient.connect(to: url) { socket in
          try await socket.send("hello")
          var messages = socket.messages.makeAsyncIterator()
          #expect(try await messages.next() == "hello")
        }
      }
    }
    try await group.shutdownGracefully()
  }
}
#endif
