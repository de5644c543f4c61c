// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL
import Synchronization

/// The contexts of one set of options for TLS, one for each list of protocols to offer by ALPN (RFC 7301): reading the
/// system's roots takes many milliseconds.
final class TLSContexts: Sendable {
  private let tls: WebSocketClientTLS
  private let made = Mutex<[[String]: NIOSSLContext]>([:])

  init(_ tls: WebSocketClientTLS) { self.tls = tls }

  /// The context that offers `protocols`, made by the first call.
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
