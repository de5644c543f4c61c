// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own, so that users of the library resolve none of the peers.
let package = Package(
  name: "wsproto-benchmarks",
  platforms: [.macOS(.v26)],
  traits: [.trait(name: "ISAL", description: "WSProto with its trait of this name.")],
  dependencies: [
    .package(
      name: "swift-wsproto",
      path: "../",
      traits: [.trait(name: "ISAL", condition: .when(traits: ["ISAL"]))]
    ),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
  ],
  targets: [
    .target(name: "CAllocationCounter"),
    .target(name: "BenchSupport", dependencies: ["CAllocationCounter"]),
    .executableTarget(
      name: "wsproto-bench",
      dependencies: [
        "BenchSupport",
        .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),
    .executableTarget(
      name: "wsproto-held",
      dependencies: ["CAllocationCounter", .product(name: "WSProto", package: "swift-wsproto")]
    ),
    .target(name: "CCopyCounter"),
    .executableTarget(
      name: "wsproto-sinks",
      dependencies: [
        "CAllocationCounter", "CCopyCounter", .product(name: "WSProto", package: "swift-wsproto"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      linkerSettings: [.unsafeFlags(["-Xlinker", "--wrap=cwsproto_mask"], .when(platforms: [.linux]))]
    ),
    .executableTarget(
      name: "wsproto-bench-inputs",
      dependencies: [.product(name: "ArgumentParser", package: "swift-argument-parser")]
    ),
    .executableTarget(
      name: "peer-nio",
      dependencies: [
        "BenchSupport",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
      ],
    ),
  ]
)
