// SPDX-License-Identifier: Apache-2.0

#if NIO
import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import Testing
import WSProto

@testable import WSProtoNIO

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

@Suite("Accepting connections", .timeLimit(.minutes(5)))
struct AcceptTests {
  @Test(
    "is tried again after a pause where the system is short of something, and said once until it succeeds",
    arguments: [EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM]
  )
  func shortages(errno: CInt) throws {
    let bench = GateBench()
    bench.channel.pipeline.read()
    #expect(bench.reads.count == 1)
    for _ in 0..<5 {
      let before = bench.reads.count
      bench.channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
      // As after every read loop.
      bench.channel.pipeline.read()
      #expect(bench.reads.count == before)
      #expect(bench.isAutoRead == false)
      bench.loop.advanceTime(by: AcceptGate.pause)
      #expect(bench.reads.count == before + 1)
      #expect(bench.isAutoRead == true)
    }
    #expect(bench.events == ["failing"])
    bench.accept()
    #expect(bench.events == ["failing", "recovered 5"])
    bench.channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
    #expect(bench.events == ["failing", "recovered 5", "failing"])
  }

  @Test("stays within the limit on connections when a pause is over")
  func pauseAtLimit() {
    let bench = GateBench(maxOpen: 1)
    bench.channel.pipeline.read()
    bench.channel.pipeline.fireErrorCaught(IOError(errnoCode: EMFILE, reason: "accept"))
    bench.limits.accepted()
    bench.loop.advanceTime(by: AcceptGate.pause)
    #expect(bench.reads.count == 1)
    bench.limits.ended()
    bench.loop.run()
    #expect(bench.reads.count == 2)
  }

  @Test("pauses before the last descriptors are used up")
  func reserve() {
    let bench = GateBench()
    bench.isShort = true
    bench.channel.pipeline.read()
    for _ in 0..<3 { bench.loop.advanceTime(by: AcceptGate.pause) }
    #expect(bench.reads.count == 0)
    #expect(bench.isAutoRead == false)
    #expect(bench.events == ["failing"])
    bench.isShort = false
    bench.loop.advanceTime(by: AcceptGate.pause)
    #expect(bench.reads.count == 1)
    #expect(bench.isAutoRead == true)
    bench.accept()
    #expect(bench.events == ["failing", "recovered 4"])
    #expect(AcceptGate.reserve(of: 1 << 20) == 32)
    #expect(AcceptGate.reserve(of: 64) == 8)
  }

  @Test("ends with any other error, which is said")
  func fatal() {
    let bench = GateBench()
    bench.channel.pipeline.fireErrorCaught(IOError(errnoCode: EINVAL, reason: "accept"))
    #expect(bench.events == ["failed"])
  }

  @Test("is interrupted by errors of the connection that it accepts, for which NIO closes the listener")
  func interrupted() {
    let bench = GateBench()
    for errno in [EPROTO, EPERM, ENETDOWN, EHOSTUNREACH] {
      bench.channel.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
    }
    #expect(bench.events == Array(repeating: "interrupted 0", count: 4))
    let next = GateBench(failures: 7)
    next.accept()
    #expect(next.events == ["recovered 7"])
  }

  @Test(
    "goes on behind an error of a connection: who waited meanwhile is served, and it was said once",
    arguments: [EPROTO, EPERM]
  )
  func goesOn(errno: CInt) async throws {
    let log = TestLog()
    try await withServer(log: log) { address, server in
      for _ in 0..<2 {
        let listener = server.core.state.withLock { $0.listeners[0] }
        // As NIO does it.
        listener.pipeline.fireErrorCaught(IOError(errnoCode: errno, reason: "accept"))
        try await listener.close()
        try await TestClient.open(to: address) { client async throws in
          try await client.send(TextMessage(data: "still here"))
          #expect(try await client.nextText() == "still here")
        }
      }
      #expect(
        log.lines(from: .error)
          == Array(repeating: "accepting connections fails, and is tried again", count: 2)
      )
      #expect(log.line("connections are accepted again")?.metadata["failures"] == "1")
    }
  }

  #if os(Linux)
  @Test("ends the server where the listener itself is lost: it closes what is open, and throws")
  func lost() async throws {
    var options = WebSocketServerOptions()
    options.logger = TestLog().logger()
    let server = WebSocketServer(port: 0, options: options, handler: echo)
    let running = Task { try await server.run() }
    let address = try await server.addresses[0]
    try await TestClient.open(to: address) { client async throws in
      let listener = server.core.state.withLock { $0.listeners[0] }
      try await listener.eventLoop.submit {
        // Nobody can listen with it any more.
        _ = try listener.pipeline.syncOperations.withUnsafeTransportIfAvailable {
          (socket: NIOBSDSocket.Handle) in shutdown(socket, CInt(SHUT_RDWR))
        }
      }.get()
      #expect(try await client.nextClose().code == .goingAway)
    }
    let error = await #expect(throws: WebSocketListenError.self) { try await running.value }
    #expect(error?.listener == .host("127.0.0.1", port: 0))
    #expect((error?.cause as? IOError)?.errnoCode == EINVAL)
  }
  #endif

  @Test("says that the limit is reached once, until a tenth of the places were free")
  func saidOnce() {
    let bench = GateBench(maxOpen: 20)
    for _ in 0..<20 { bench.accept() }
    for _ in 0..<10 {
      bench.channel.pipeline.read()
      #expect(!bench.limits.admitStream())
      bench.limits.ended()
      bench.loop.run()
      bench.accept()
    }
    #expect(bench.said.count == 1)
    for _ in 0..<2 { bench.limits.ended() }
    for _ in 0..<2 { bench.accept() }
    #expect(!bench.limits.admitStream())
    #expect(bench.said.count == 2)
  }

  @Test(
    "goes on where the process has no descriptor left: those served are served on, those that wait come later",
    .threat(25)
  )
  func descriptors() async {
    await #expect(processExitsWith: .success) {
      let log = TestLog()
      var options = WebSocketServerOptions()
      options.logger = log.logger()
      let server = WebSocketServer(port: 0, options: options, handler: echo)
      let running = Task { try await server.run() }
      let address = try await server.addresses[0]
      let clients = try (0..<6).map { _ in try RawClient() }
      // Nothing else in this process opens anything: so many more, and no more, are accepted.
      let places = 3
      let next = dup(0)
      close(next)
      var limit = rlimit()
      getrlimit(descriptorLimit, &limit)
      let before = limit.rlim_cur
      limit.rlim_cur = rlim_t(
        try #require((1...4096).first { $0 - AcceptGate.reserve(of: $0) == Int(next) + places })
      )
      setrlimit(descriptorLimit, &limit)
      // The system completes these without the server.
      for client in clients { try client.connect(to: address) }
      for client in clients { try client.write(handshake()) }
      for client in clients.prefix(places) { #expect(try client.read(12) == "HTTP/1.1 101") }
      // A few pauses, in which accepting fails.
      try await Task.sleep(for: .milliseconds(1200))
      #expect(server.core.limits.counts.open == places)
      #expect(log.lines(from: .error) == ["accepting connections fails, and is tried again"])
      limit.rlim_cur = before
      setrlimit(descriptorLimit, &limit)
      for client in clients.dropFirst(places) { #expect(try client.read(12) == "HTTP/1.1 101") }
      let recovered = try #require(log.line("connections are accepted again"))
      // Tried again once a pause, rather than at every turn of the event loop.
      #expect(2..<100 ~= Int(recovered.metadata["failures"] ?? "") ?? 0)
      server.shutDown()
      for client in clients { client.end() }
      try await running.value
    }
  }
}

// A member of an enumeration in some C libraries, a number in others.
#if canImport(Glibc)
private let descriptorLimit = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
#else
private let descriptorLimit = RLIMIT_NOFILE
#endif

/// A gate in an embedded channel.
private final class GateBench {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  let limits: ConnectionLimits
  let said = Counter()
  /// The process is short of descriptors.
  var isShort: Bool {
    get { kept.isShort }
    set { kept.isShort = newValue }
  }
  private let probe = ReadProbe()
  private let kept = Kept()

  var reads: Counter { probe.reads }
  var events: [String] { kept.events }
  var isAutoRead: Bool? {
    channel.options.last { $0.option is ChannelOptions.Types.AutoReadOption }?.value as? Bool
  }

  private final class Kept {
    var events: [String] = []
    var isShort = false
  }

  init(maxOpen: Int = 100, failures: Int = 0) {
    let said = said
    limits = ConnectionLimits(maxOpen: maxOpen, maxPending: 100) { _, _ in said.add(1) }
    channel = EmbeddedChannel(loop: loop)
    let gate = AcceptGate(limits, failures: failures, isShort: { [kept] in kept.isShort }) { [kept] event in
      switch event {
      case .failing(_, let isNews): if isNews { kept.events.append("failing") }
      case .recovered(let failures): kept.events.append("recovered \(failures)")
      case .interrupted(_, let failures, _): kept.events.append("interrupted \(failures)")
      case .failed: kept.events.append("failed")
      }
    }
    try? channel.pipeline.syncOperations.addHandlers([probe, gate])
  }

  deinit { channel.end() }

  func accept() {
    let accepted = EmbeddedChannel(loop: loop)
    channel.pipeline.fireChannelRead(accepted)
    accepted.end()
  }

  /// Between the gate and the socket.
  private final class ReadProbe: ChannelOutboundHandler {
    typealias OutboundIn = Never

    let reads = Counter()

    func read(context: ChannelHandlerContext) { reads.add(1) }
  }
}

/// A blocking socket, made before it is connected.
private struct RawClient {
  private let descriptor: CInt

  init() throws {
    #if canImport(Glibc)
    descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    #else
    descriptor = socket(AF_INET, SOCK_STREAM, 0)
    #endif
    guard descriptor >= 0 else { throw TestFailure("no socket") }
    // 60 s, as a `timeval` has them.
    let limit = [60, 0]
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, limit, socklen_t(MemoryLayout<timeval>.size))
  }

  func connect(to address: SocketAddress) throws {
    let result = address.withSockAddr { connectSocket(descriptor, $0, socklen_t($1)) }
    guard result == 0 else { throw TestFailure("not connected") }
  }

  func write(_ text: String) throws {
    let bytes = Array(text.utf8)
    guard send(descriptor, bytes, bytes.count, 0) == bytes.count else { throw TestFailure("not written") }
  }

  func read(_ count: Int) throws -> String {
    var bytes = [UInt8](repeating: 0, count: count)
    guard recv(descriptor, &bytes, count, CInt(MSG_WAITALL)) == count else {
      throw TestFailure("too few bytes have come")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  func end() { close(descriptor) }
}

// By a name that no method hides.
private let connectSocket = connect
#endif
