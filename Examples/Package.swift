// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// One file each, the library and the system's sockets, nothing else.
let package = Package(
  name: "wsproto-examples",
  platforms: [.macOS(.v26)],
  dependencies: [.package(name: "swift-wsproto", path: "../", traits: [])],
  targets: [
    .executableTarget(
      name: "EchoServer",
      dependencies: [.product(name: "WSProto", package: "swift-wsproto")],
      path: "EchoServer"
    ),
    .executableTarget(
      name: "EchoClient",
      dependencies: [.product(name: "WSProto", package: "swift-wsproto")],
      path: "EchoClient"
    ),
  ]
)
