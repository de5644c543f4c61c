// SPDX-License-Identifier: Apache-2.0

// An echo server on SwiftNIO's HTTP/1.1: NIOHTTP1Endpoint [port]

import NIOCore
import NIOHTTP1
import NIOPosix

@main enum Main {
  static func main() throws {
    let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 9001
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    defer { try? group.syncShutdownGracefully() }
    let listener = try ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let pipeline = channel.pipeline.syncOperations
          let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
          try pipeline.addHandler(HTTPResponseEncoder(), name: "encoder")
          try pipeline.addHandler(decoder, name: "decoder")
          try pipeline.addHandler(Endpoint(), name: "endpoint")
        }
      }
      .bind(host: "127.0.0.1", port: port)
      .wait()
    print("listening \(listener.localAddress?.port ?? 0)")
    try listener.closeFuture.wait()
  }
}
