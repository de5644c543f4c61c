// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

import Testing
import WSProto

@testable import WSProtoLab

/// Captures that tcpdump has made of Python's `websockets` with itself; `Conformance/inspect` makes larger ones.
@Suite struct RealCaptureTests {
  private func read(_ name: String) throws -> [UInt8] {
    let folder = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let file = try #require(fopen("/\(folder)/Captures/\(name)", "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = bytes.withUnsafeMutableBytes { fread($0.baseAddress, 1, $0.count, file) }
    return Array(bytes.prefix(count))
  }

  static let sent = [
    "Hello", "Hello, Hello, Hello", "γειά 😀", String(decoding: 0..<64, as: UTF8.self), "fragmented",
  ]

  @Test(
    "A real conversation with permessage-deflate, IPv6 on loopback and a cooked link in a pcapng",
    arguments: ["takeover-ipv6.pcap", "takeover-cooked2.pcapng"],
    [0, 1, 100]
  )
  func conversation(_ name: String, piece: Int) throws {
    let inspected = Inspected(try read(name), piece: piece)
    #expect(inspected.error == nil)
    #expect(inspected.texts(from: .fromClient) == Self.sent)
    #expect(inspected.texts(from: .fromServer) == Self.sent)
    #expect(inspected.messages(from: .fromClient).map(\.frames) == [1, 1, 1, 1, 4])
    #expect(inspected.messages().allSatisfy { $0.isCompressed })
    #expect(inspected.frames.compactMap(\.closeCode) == [1001, 1001])
    #expect(inspected.frames.filter { $0.roundTrip != nil }.map(\.payload) == [Array("hi".utf8)])
    #expect(inspected.findings.isEmpty)
  }
}
