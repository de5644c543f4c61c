// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

/// What WSProtoNIO and its tests stand on, where the trait NIO is enabled.
let onNIO: [Target.Dependency] = [
  ("NIOCore", "swift-nio"),
  ("NIOConcurrencyHelpers", "swift-nio"),
  ("NIOHTTP1", "swift-nio"),
  ("NIOPosix", "swift-nio"),
  ("NIOTLS", "swift-nio"),
  ("NIOSSL", "swift-nio-ssl"),
  ("NIOHTTP2", "swift-nio-http2"),
  ("NIOHTTPTypes", "swift-nio-extras"),
  ("NIOHTTPTypesHTTP2", "swift-nio-extras"),
  ("Logging", "swift-log"),
  ("CoreMetrics", "swift-metrics"),
  ("Tracing", "swift-distributed-tracing"),
  ("ServiceLifecycle", "swift-service-lifecycle"),
].map { .product(name: $0.0, package: $0.1, condition: .when(traits: ["NIO"])) }

let package = Package(
  name: "swift-wsproto",
  platforms: [.macOS(.v26), .iOS(.v26), .tvOS(.v26), .watchOS(.v26), .visionOS(.v26)],
  products: [
    .library(name: "WSProto", targets: ["WSProto"]),
    .library(name: "WSProtoFoundation", targets: ["WSProtoFoundation"]),
    // Reads recorded conversations and judges them; does no I/O.
    .library(name: "WSProtoLab", targets: ["WSProtoLab"]),
    // A server and a client on SwiftNIO; empty without the trait NIO.
    .library(name: "WSProtoNIO", targets: ["WSProtoNIO"]),
    // For the tests of those who use WSProtoNIO; empty without the trait NIO.
    .library(name: "WSProtoNIOTesting", targets: ["WSProtoNIOTesting"]),
    .executable(name: "wsproto", targets: ["WSProtoCLI"]),
    // The C interface; its header is Sources/CWSProto/wsproto.h.
    .library(name: "WSProtoC", type: .dynamic, targets: ["WSProtoC"]),
  ],
  traits: [
    .trait(name: "NIO", description: "WSProtoNIO, and what it depends on."),
    .trait(name: "Tool", description: "The command wsproto, and what it depends on."),
    .trait(
      name: "ISAL",
      description: "permessage-deflate with Intel ISA-L, which is faster than zlib."
    ),
    .default(enabledTraits: ["NIO", "Tool"]),
  ],
  dependencies: [
    // No traits: the core must not link Foundation.
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    // Neither fetched nor built without the trait Tool.
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    // Neither fetched nor built without the trait NIO.
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CZlib",
      pkgConfig: "zlib",
      providers: [.apt(["zlib1g-dev"]), .yum(["zlib-devel"])]
    ),
    // Empty without the trait, and where ISA-L (Debian's libisal-dev) is not installed; linked by its module map.
    .target(name: "CISAL", cSettings: [.define("CISAL_ENABLED", .when(traits: ["ISAL"]))]),
    .target(name: "CWSProtoKernels"),
    .target(
      name: "WSProto",
      dependencies: [
        "CZlib", "CWSProtoKernels",
        .target(name: "CISAL", condition: .when(traits: ["ISAL"])),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ]
    ),
    .target(
      name: "WSProtoFoundation",
      dependencies: ["WSProto", .product(name: "HTTPTypes", package: "swift-http-types")]
    ),
    .target(
      name: "WSProtoLab",
      dependencies: ["WSProto", .product(name: "HTTPTypes", package: "swift-http-types")]
    ),
    // Not named like its product: `wsproto` and `WSProto` are one name to a file system that ignores case.
    .executableTarget(
      name: "WSProtoCLI",
      dependencies: [
        "WSProto", "WSProtoLab", "WSProtoNIO", "WSProtoTool",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(
          name: "ArgumentParser",
          package: "swift-argument-parser",
          condition: .when(traits: ["Tool"])
        ),
      ] + onNIO
    ),
    // The parts of the command that do no I/O.
    .target(
      name: "WSProtoTool",
      dependencies: [
        "WSProtoLab",
        .product(name: "Histogram", package: "hdrhistogram-swift", condition: .when(traits: ["Tool"])),
      ],
      resources: [.embedInCode("Page/page.html")]
    ),
    .target(
      name: "WSProtoNIO",
      dependencies: [
        "WSProto", .product(name: "HTTPTypes", package: "swift-http-types"),
      ] + onNIO
    ),
    .target(
      name: "WSProtoNIOTesting",
      dependencies: [
        "WSProto", "WSProtoNIO",
        .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["NIO"])),
        .product(
          name: "NIOConcurrencyHelpers",
          package: "swift-nio",
          condition: .when(traits: ["NIO"])
        ),
        .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["NIO"])),
      ]
    ),
    .target(name: "WSProtoTestSupport", dependencies: ["WSProto"], path: "Tests/WSProtoTestSupport"),
    .systemLibrary(name: "CWSProto"),
    .target(
      name: "WSProtoC",
      dependencies: [
        "WSProto", "CWSProto",
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ]
    ),
    .testTarget(
      name: "WSProtoTests",
      dependencies: [
        "WSProto", "WSProtoTestSupport", .product(name: "HTTPTypes", package: "swift-http-types"),
      ]
    ),
    .testTarget(
      name: "WSProtoFoundationTests",
      dependencies: [
        "WSProto", "WSProtoFoundation", .product(name: "HTTPTypes", package: "swift-http-types"),
      ]
    ),
    .testTarget(name: "WSProtoToolTests", dependencies: ["WSProtoLab", "WSProtoTool"]),
    .testTarget(
      name: "WSProtoLabTests",
      dependencies: [
        "WSProto", "WSProtoLab", .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      exclude: ["Captures"]
    ),
    .testTarget(
      name: "WSProtoNIOTests",
      dependencies: [
        "WSProto", "WSProtoNIO", "WSProtoNIOTesting",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "NIOEmbedded", package: "swift-nio", condition: .when(traits: ["NIO"])),
        .product(
          name: "InMemoryTracing",
          package: "swift-distributed-tracing",
          condition: .when(traits: ["NIO"])
        ),
      ] + onNIO
    ),
  ]
)

// In CI warnings are errors; users and their later compilers are spared.
let isCI = Context.environment["CI"] != nil

for target in package.targets {
  switch target.type {
  case .system: break
  case .regular where target.name.hasPrefix("C"):
    if isCI {
      target.cSettings =
        (target.cSettings ?? []) + [
          .enableWarning("all"), .enableWarning("extra"), .treatAllWarnings(as: .error),
        ]
    }
  default:
    target.swiftSettings =
      (target.swiftSettings ?? []) + [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        // For spans that a property gives out: `Bytes.span`.
        .enableExperimentalFeature("Lifetimes"),
      ] + (isCI ? [.treatAllWarnings(as: .error)] : [])
  }
}
