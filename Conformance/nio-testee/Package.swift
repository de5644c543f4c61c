// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// The programs that the conformance suites talk to, on WSProtoNIO. A package of its own: the other testees don't build
// SwiftNIO.
let package = Package(
  name: "wsproto-nio-testees",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "swift-wsproto", path: "../../", traits: ["NIO"]),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .executableTarget(
      name: "nio-testee",
      dependencies: [
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]
    )
  ]
)
