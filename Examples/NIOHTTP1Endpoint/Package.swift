// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own, so that nothing else builds SwiftNIO.
let package = Package(
  name: "nio-http1-endpoint",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "swift-wsproto", path: "../..", traits: []),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
  ],
  targets: [
    .executableTarget(
      name: "NIOHTTP1Endpoint",
      dependencies: [
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
      ],
      path: "Sources"
    )
  ]
)
