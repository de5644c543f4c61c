// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOCore

/// Whether connections begin with a PROXY protocol header (version 1 or 2), which carries the client's address.
///
/// Anyone can send such a header, so it is read only from peers that are known to be proxies. On a Unix domain socket
/// every peer counts as one.
public enum ProxyProtocolPolicy: Sendable, Hashable {
  /// No connection begins with a header. A header is treated as a malformed request.
  case off
  /// Connections from these networks may begin with a header. Without one, their bytes are passed on unchanged.
  case optional(from: [IPNetwork])
  /// All connections come from these networks and begin with a header. Others are closed.
  case required(from: [IPNetwork])

  /// What a connection from this peer begins with.
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
    /// The peer isn't one of the proxies that all connections must come from.
    case refused
  }
}

extension SocketAddress {
  /// Whether the peer at this address is one of the proxies in `networks`. A peer on a Unix domain socket always is.
  func isProxy(in networks: [IPNetwork]) -> Bool {
    if case .unixDomainSocket = self { return true }
    guard let address = IPAddress(self) else { return false }
    return networks.contains { $0.contains(address) }
  }
}

/// Reads the PROXY protocol header at the front of a connection's pipeline, then removes itself.
final class ProxyProtocolHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer

  enum Outcome {
    /// The connection continues, with the client's address if the proxy sent one.
    case begins(ForwardedNode?)
    case failed(any Error)
  }

  private let isRequired: Bool
  private let completion: (Outcome) -> Void
  private var buffer = ByteBuffer()
  private var isDone = false

  /// - Parameter completion: called once. Adds the handlers that follow, or closes the channel.
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
