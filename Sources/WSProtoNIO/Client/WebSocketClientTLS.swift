// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOSSL
import WSProto

/// The TLS settings of a client: what it trusts, and how it identifies itself.
public struct WebSocketClientTLS: Sendable, Hashable {
  /// The root certificates that the client trusts. Default: those of the system.
  public var roots = NIOSSLTrustRoots.default
  /// Root certificates that the client trusts in addition to ``roots``. Default: none.
  public var additionalRoots: [NIOSSLAdditionalTrustRoots] = []
  /// The client's certificate, followed by its intermediate certificates. Default: empty, for no certificate.
  public var certificateChain: [NIOSSLCertificateSource] = []
  /// The private key of the client's certificate.
  public var privateKey: NIOSSLPrivateKeySource?
  /// The server name to request (SNI, RFC 6066 §3) and to expect in the certificate, instead of the URL's host. An IP
  /// address isn't sent, but expected in the certificate. Default `nil`.
  public var serverName: String?
  /// The minimum TLS version. Default 1.2.
  public var minimumVersion = TLSVersion.tlsv12
  /// Receives the secrets of each connection. Default `nil`. For tests only.
  public var keyLog: TLSKeyLog?
  /// Whether the server's certificate isn't verified.
  private(set) var isInsecure = false

  /// Creates settings with the system's roots and without a client certificate.
  public init() {}

  /// Settings that accept any certificate, so that anyone on the network path can read and change all data. For tests
  /// only.
  public static var insecure: WebSocketClientTLS {
    var tls = WebSocketClientTLS()
    tls.isInsecure = true
    return tls
  }
}

extension WebSocketClientTLS {
  /// Creates a TLS context, which takes many milliseconds with the system's roots.
  ///
  /// - Parameter protocols: the protocols to offer by ALPN.
  func makeContext(offering protocols: [String]) throws(WebSocketClientError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = minimumVersion
    configuration.trustRoots = roots
    configuration.additionalTrustRoots = additionalRoots
    configuration.certificateChain = certificateChain
    configuration.privateKey = privateKey
    configuration.keyLogCallback = keyLog?.write
    // `ServerIdentity` checks the name in the certificate.
    configuration.certificateVerification = isInsecure ? .none : .noHostnameVerification
    configuration.applicationProtocols = protocols
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .tlsOptions("\(error)")
    }
  }

  /// The name or address that the server's certificate must have: a name without a trailing dot (RFC 6066 §3), or an
  /// address.
  func server(for host: URLHost) throws(WebSocketClientError) -> URLHost {
    if let serverName, let address = IPAddress(serverName) { return URLHost(address) }
    if serverName == nil, host.address != nil { return host }
    let name = serverName ?? host.name
    do throws(InvalidURL) {
      return try URLHost(Array((name.last == "." ? name.dropLast() : name[...]).utf8)[...])
    } catch {
      throw .tlsOptions("the server's name \(quoted(name)) is none: \(error)")
    }
  }
}

extension WebSocketClientError {
  /// An error that a channel has reported during a stage.
  package init(_ error: any Error, during stage: Stage) {
    switch error {
    case let error as NIOSSLExtraError:
      self = .certificate("\(error)")
    case let error as NIOSSLError:
      switch error {
      case .uncleanShutdown: self = .disconnected(stage, nil)
      case .noCertificateToValidate, .unableToValidateCertificate: self = .certificate("\(error)")
      default: self.init(tlsText: "\(error)")
      }
    case let error as BoringSSLError: self.init(tlsText: "\(error)")
    default: self = .disconnected(stage, "\(error)")
    }
  }

  private init(tlsText text: String) {
    self = text.contains("CERTIFICATE_VERIFY_FAILED") ? .certificate(text) : .tls(text)
  }
}
#endif
