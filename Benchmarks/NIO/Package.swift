// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own: the engine's benchmarks resolve neither TLS nor HTTP/2.
let package = Package(
  name: "wsproto-nio-benchmarks",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "swift-wsproto", path: "../..", traits: ["NIO"]),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
  ],
  targets: [
    .target(name: "CHeap"),
    .target(
      name: "EchoHandlers",
      dependencies: [
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ]
    ),
    // The same as the engine's benchmarks have.
    .target(name: "CAllocationCounter"),
    .target(name: "CCopyCounter"),
    .executableTarget(
      name: "wsproto-nio-counts",
      dependencies: [
        "CAllocationCounter",
        "CCopyCounter",
        "EchoHandlers",
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ],
      linkerSettings: [.unsafeFlags(["-Xlinker", "--wrap=cwsproto_mask"], .when(platforms: [.linux]))]
    ),
    .executableTarget(
      name: "wsproto-nio-bench",
      dependencies: [
        "CHeap",
        "EchoHandlers",
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "Logging", package: "swift-log"),
      ]
    ),
  ]
)
