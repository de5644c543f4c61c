// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0

import PackageDescription

// The programs that the conformance suites talk to: small users of the public API on blocking sockets.
let package = Package(
  name: "wsproto-testees",
  platforms: [.macOS(.v26)],
  traits: [.trait(name: "ISAL", description: "WSProto with its trait of this name.")],
  dependencies: [
    .package(
      name: "swift-wsproto",
      path: "../../",
      traits: [.trait(name: "ISAL", condition: .when(traits: ["ISAL"]))]
    )
  ],
  targets: [
    .target(
      name: "TesteeSupport",
      dependencies: [.product(name: "WSProto", package: "swift-wsproto")]
    ),
    .executableTarget(name: "autobahn-server", dependencies: ["TesteeSupport"]),
    .executableTarget(name: "autobahn-client", dependencies: ["TesteeSupport"]),
    .executableTarget(name: "zoo-testee", dependencies: ["TesteeSupport"]),
  ]
)
