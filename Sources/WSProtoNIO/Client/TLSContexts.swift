// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL
import Synchronization

/// Caches the TLS contexts of one set of options, one for each list of ALPN protocols (RFC 7301): reading the system's
/// root certificates takes many milliseconds.
final class TLSContexts: Sendable {
  private let tls: WebSocketClientTLS
  private let made = Mutex<[[String]: NIOSSLContext]>([:])

  init(_ tls: WebSocketClientTLS) { self.tls = tls }

  /// The context that offers `protocols`, created by the first call.
  func context(offering protocols: [String]) throws(WebSocketClientError) -> NIOSSLContext {
    try made.withLock { (made) throws(WebSocketClientError) in
      if let context = made[protocols] { return context }
      let context = try tls.makeContext(offering: protocols)
      made[protocols] = context
      return context
    }
  }
}
#endif
