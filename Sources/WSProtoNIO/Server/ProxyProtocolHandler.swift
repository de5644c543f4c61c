// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Whether connections to a server begin with a header of the PROXY protocol, version 1 or 2, which tells the client's
/// address.
///
/// It is read from those peers only that are proxies: anyone can send one. On a Unix domain socket every peer is one.
public enum ProxyProtocolPolicy: Sendable, Hashable {
  /// None do: a header is a request that isn't legal.
  case off
  /// Those of peers in these networks may. A header counts, other bytes are the connection's own.
  case optional(from: [IPNetwork])
  /// All do, and all come from these networks. Others are closed.
  case required(from: [IPNetwork])

  /// What a connection of this peer begins with.
  func expectation(of peer: SocketAddress?) -> Expectation {
    let networks: [IPNetwork]
    switch self {
    case .off: return .none
    case .optional(let from), .required(let from): networks = from
    }
    let isProxy = peer.map { $0.isProxy(in: networks) } ?? false
    if case .optional = self { return isProxy ? .header(isRequired: false) : .none }
    return isProxy ? .header(isRequired: true) : .refused
  }

  enum Expectation: Hashable {
    case none
    case header(isRequired: Bool)
    /// Not one of the proxies that all connections are to come from.
    case refused
  }
}

extension SocketAddress {
  /// Whether a peer at this address is one of the proxies in `networks`; on a Unix domain socket it is.
  func isProxy(in networks: [IPNetwork]) -> Bool {
    if case .unixDomainSocket = self { return true }
    guard let address = IPAddress(self) else { return false }
    return networks.contains { $0.contains(address) }
  }
}

/// At the front of a connection's pipeline: takes the header of the PROXY protocol, then leaves.
final class ProxyProtocolHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  enum Outcome {
    /// The connection goes on; with the client's address, if the proxy has told one.
    case begins(ForwardedNode?)
    case failed(any Error)
  }

  private let isRequired: Bool
  private let completion: (Outcome) -> Void
  private var buffer = ByteBuffer()
  private var isDone = false

  /// - Parameter completion: called once; adds the handlers behind, or closes the channel.
  init(isRequired: Bool, completion: @escaping (Outcome) -> Void) {
    self.isRequired = isRequired
    self.completion = completion
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard !isDone else { return }
    var bytes = Self.unwrapInboundIn(data)
    buffer.writeBuffer(&bytes)
    do throws(ProxyProtocolError) {
      guard let header = try ProxyProtocolHeader.read(from: &buffer) else { return }
      if case .proxied(let source, _) = header { begin(source, context) } else { begin(nil, context) }
    } catch {
      if case .notAHeader = error, !isRequired { return begin(nil, context) }
      fail(error)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(error) }

  private func begin(_ source: ForwardedNode?, _ context: ChannelHandlerContext) {
    isDone = true
    completion(.begins(source))
    if buffer.readableBytes > 0 { context.fireChannelRead(Self.wrapInboundOut(buffer)) }
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }

  private func fail(_ error: any Error) {
    guard !isDone else { return }
    isDone = true
    completion(.failed(error))
  }
}
#endif
