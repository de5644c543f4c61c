// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import WSProto
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// A client's connection, and the proxy's connection to the target for it.
struct ProxiedConnection: Sendable {
  /// How to reach the target.
  struct Upstream: Sendable {
    var target: ByteStream.Target
    var tls: ClientTLSLayer?
    var timeout: Duration
    /// The target's name in messages.
    var name: String
    var unixSocketPath: String?
  }

  let core: ProxyCore
  let output: ProxyOutput
  let upstream: Upstream

  /// How long to wait for an end to close its connection after both directions have ended.
  private static let patience = Duration.seconds(5)

  /// Forwards until both ends have ended.
  func serve(_ client: ByteStream) async {
    // Connect to the target only when there is something to send.
    guard case .bytes(let first)? = try? await client.read() else { return client.close() }
    let address = Endpoint(client.channel.remoteAddress)
    let server: ByteStream
    do {
      server = try await ByteStream.connect(to: upstream.target, tls: upstream.tls, timeout: upstream.timeout)
    } catch {
      return await refuse(client, address, first, error)
    }
    let number = await core.open(client: address, server: Endpoint(server.channel.remoteAddress))
    await core.receive(first, number, from: .fromClient)
    await forward(number, client, server)
    await core.close(number)
    client.close()
    server.close()
  }

  private func refuse(_ client: ByteStream, _ address: Endpoint, _ first: [UInt8], _ error: any Error) async {
    guard let error = error as? WebSocketClientError else { return client.close() }
    let failure = ToolFailure(
      error,
      unixSocketPath: upstream.unixSocketPath,
      isSecure: upstream.tls != nil,
      firstBytes: []
    )
    let reason = "\(upstream.name) cannot be reached: \(failure.description)"
    output.printNote(reason)
    let number = await core.open(client: address, server: nil)
    await core.receive(first, number, from: .fromClient)
    await core.refuse(number, reason)
    _ = await write(number, from: .fromServer, to: client)
    await core.close(number)
    // Closing while bytes of the client are unread would reset the connection, and the client might lose the answer.
    let deadline = ContinuousClock.now + Self.patience
    while ContinuousClock.now < deadline, case .bytes? = try? await client.read(within: .seconds(1)) {}
    client.close()
  }

  // MARK: Both directions

  private enum Ended: Sendable {
    case reading
    /// The steps of this sender's direction have been carried out.
    case writing(Direction)
    /// Both connections must be reset.
    case reset
    case outOfPatience
    /// The task was cancelled.
    case nothing
  }

  private func forward(_ number: Int, _ client: ByteStream, _ server: ByteStream) async {
    await withTaskGroup(of: Ended.self) { group in
      group.addTask { await read(number, .fromClient, client) }
      group.addTask { await read(number, .fromServer, server) }
      group.addTask { await write(number, from: .fromClient, to: server) }
      group.addTask { await write(number, from: .fromServer, to: client) }
      var (reading, writing) = (2, 2)
      loop: while (reading, writing) != (0, 0), let ended = await group.next() {
        switch ended {
        case .reading: reading -= 1
        case .writing: writing -= 1
        case .reset:
          client.reset()
          server.reset()
          break loop
        case .outOfPatience: break loop
        case .nothing: continue
        }
        if writing == 0, reading > 0, case .writing = ended {
          group.addTask {
            do { try await Task.sleep(for: Self.patience) } catch { return .nothing }
            return .outOfPatience
          }
        }
      }
      // Before waiting for the tasks, because closing wakes those that wait for the core.
      await core.close(number)
      group.cancelAll()
    }
  }

  private func read(_ number: Int, _ sender: Direction, _ stream: ByteStream) async -> Ended {
    while await core.waitToRead(number, from: sender) {
      do {
        switch try await stream.read() {
        case .bytes(let bytes): await core.receive(bytes, number, from: sender)
        case .end:
          await core.end(number, from: sender)
          return .reading
        case .timedOut: continue
        }
      } catch {
        return await fail(number, sender) ? .reset : .reading
      }
    }
    return .reading
  }

  /// Carries out the steps of a direction.
  private func write(_ number: Int, from sender: Direction, to stream: ByteStream) async -> Ended {
    var isLost = false
    while let step = await core.nextStep(number, from: sender) {
      let wait = step.due.nanoseconds - core.now.nanoseconds
      if wait > 0 { do { try await Task.sleep(for: .nanoseconds(wait)) } catch { return .nothing } }
      // The receiver is gone, but the other direction may still have data.
      if isLost, step.action != .reset, step.action != .finish { continue }
      await core.passed(step, number, from: sender)
      do {
        switch step.action {
        case .bytes(let bytes): try await stream.write(bytes)
        case .finish:
          if !isLost { try await stream.finish() }
          return .writing(sender)
        case .reset: return .reset
        }
      } catch {
        isLost = true
        let other: Direction = sender == .fromClient ? .fromServer : .fromClient
        if await fail(number, other) { return .reset }
        if step.action == .finish { return .writing(sender) }
      }
    }
    return .writing(sender)
  }

  /// The connection to an end was lost. Returns whether to reset the other one immediately.
  private func fail(_ number: Int, _ sender: Direction) async -> Bool {
    if Task.isCancelled { return false }
    guard await core.fail(number, from: sender) else { return false }
    await core.lost(number, from: sender)
    return true
  }
}

extension Endpoint {
  /// - Parameter address: ``unknown`` for what is not IP.
  init(_ address: SocketAddress?) {
    let bytes: [UInt8]
    switch address.flatMap({ IPAddress($0) })?.unmapped {
    case .v4(let number): bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
    case .v6(let number): bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
    case nil: bytes = []
    }
    let port = UInt16(truncatingIfNeeded: address?.port ?? 0)
    self = Endpoint(address: bytes[...], port: port) ?? .unknown
  }
}
#endif
