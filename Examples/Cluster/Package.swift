// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// Several servers that are one to their clients: behind HAProxy, joined by Redis.
let package = Package(
  name: "wsproto-cluster",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "swift-wsproto", path: "../..", traits: ["NIO"]),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    // Linked by its module map.
    .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"]), .brew(["hiredis"])]),
    .executableTarget(
      name: "Node",
      dependencies: [
        "CHiredis",
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ]
    ),
    .executableTarget(
      name: "Member",
      dependencies: [
        .product(name: "WSProtoNIO", package: "swift-wsproto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ]
    ),
  ]
)
