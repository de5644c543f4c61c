// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// WSProtoLab as a program of its own: it needs neither NIO nor swift-argument-parser to be built.
let package = Package(
  name: "inspect-capture",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-wsproto", path: "../../..", traits: [])],
  targets: [
    .executableTarget(
      name: "inspect-capture",
      dependencies: [.product(name: "WSProtoLab", package: "swift-wsproto")]
    )
  ]
)
