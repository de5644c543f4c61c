// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// A package of its own: neither the library nor the comparison resolves the benchmark framework.
let package = Package(
  name: "wsproto-suites",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "swift-wsproto", path: "../../", traits: []),
    // No traits: they bring interposers that don't build everywhere.
    .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
  ],
  targets: [
    // A link to the comparison's: its package as a dependency would bring the peers.
    .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
    .executableTarget(
      name: "WSProtoSuites",
      dependencies: [
        "CAllocationCounter",
        .product(name: "Benchmark", package: "benchmark"),
        .product(name: "WSProto", package: "swift-wsproto"),
      ],
      path: "Benchmarks/WSProtoSuites",
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")]
    ),
  ]
)
