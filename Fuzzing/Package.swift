// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own, with the library's sources linked into it: they are to be instrumented, and the targets use
// what has package access. Build with ./run.
let features: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableExperimentalFeature("Lifetimes"),
]
let instrumented: [SwiftSetting] = features + [.unsafeFlags(["-sanitize=fuzzer,address", "-enable-testing"])]

let package = Package(
  name: "wsproto-fuzzing",
  platforms: [.macOS(.v26)],
  // As in the library's package: with ISA-L, while the twin stays with zlib.
  traits: [.trait(name: "ISAL")],
  dependencies: [
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: [])
  ],
  targets: [
    .systemLibrary(
      name: "CZlib",
      pkgConfig: "zlib",
      providers: [.apt(["zlib1g-dev"]), .yum(["zlib-devel"])]
    ),
    .target(
      name: "CISAL",
      cSettings: [
        .define("CISAL_ENABLED", .when(traits: ["ISAL"])),
        .unsafeFlags(["-fsanitize=fuzzer-no-link,address"]),
      ]
    ),
    .target(
      name: "CWSProtoKernels",
      cSettings: [.unsafeFlags(["-fsanitize=fuzzer-no-link,address"])]
    ),
    .target(name: "CFuzzer"),
    .target(
      name: "WSProto",
      dependencies: [
        "CZlib", "CWSProtoKernels", .target(name: "CISAL", condition: .when(traits: ["ISAL"])),
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: instrumented
    ),
    .target(name: "WSProtoTestSupport", dependencies: ["WSProto"], swiftSettings: instrumented),
    .target(
      name: "WSProtoLab",
      dependencies: ["WSProto", .product(name: "HTTPTypes", package: "swift-http-types")],
      swiftSettings: instrumented
    ),
    .systemLibrary(name: "CWSProto"),
    .target(
      name: "WSProtoC",
      dependencies: ["WSProto", "CWSProto", .product(name: "HTTPTypes", package: "swift-http-types")],
      swiftSettings: instrumented
    ),
    .executableTarget(
      name: "WSProtoFuzz",
      dependencies: [
        "CFuzzer", "CWSProto", "WSProto", "WSProtoC", "WSProtoLab", "WSProtoTestSupport",
        .product(name: "HTTPTypes", package: "swift-http-types"),
      ],
      swiftSettings: instrumented,
      linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])]
    ),
  ]
)
