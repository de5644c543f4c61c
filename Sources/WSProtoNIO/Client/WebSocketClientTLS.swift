// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOSSL
import WSProto

/// What a client's TLS trusts, and what it shows of itself.
public struct WebSocketClientTLS: Sendable {
  /// Which certificates may vouch for the server's. Default: those of the system.
  public var roots = NIOSSLTrustRoots.default
  /// More of them, beside ``roots``. Default none.
  public var additionalRoots: [NIOSSLAdditionalTrustRoots] = []
  /// The client's own certificate, followed by those that vouch for it; empty, the default, for none.
  public var certificateChain: [NIOSSLCertificateSource] = []
  /// The key of the client's own certificate.
  public var privateKey: NIOSSLPrivateKeySource?
  /// The name that the server is asked for (SNI, RFC 6066 §3), and whose certificate it must show, in place of the URL's
  /// host. Default `nil`.
  public var serverName: String?
  /// The least version. Default 1.2.
  public var minimumVersion = TLSVersion.tlsv12
  /// Whether the server's certificate is looked at.
  private(set) var isInsecure = false

  /// The system's roots, no certificate of the client's own.
  public init() {}

  /// TLS that accepts any certificate: whoever is on the way can read and change all that is sent. For tests.
  public static var insecure: WebSocketClientTLS {
    var tls = WebSocketClientTLS()
    tls.isInsecure = true
    return tls
  }
}

extension WebSocketClientTLS {
  /// The certificates, read in: takes many milliseconds with the system's roots.
  func makeContext() throws(WebSocketClientError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = minimumVersion
    configuration.trustRoots = roots
    configuration.additionalTrustRoots = additionalRoots
    configuration.certificateChain = certificateChain
    configuration.privateKey = privateKey
    configuration.certificateVerification = isInsecure ? .none : .fullVerification
    // WebSocket over HTTP/1.1 (RFC 7301 §6).
    configuration.applicationProtocols = ["http/1.1"]
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .tlsOptions("\(error)")
    }
  }

  /// The name for SNI and for the certificate; `nil` for an address, which is checked against the transport's.
  ///
  /// - Throws: for an address that a proxy connects to: the transport's is the proxy's.
  func serverName(for host: URLHost, throughProxy: Bool) throws(WebSocketClientError) -> String? {
    if serverName != nil || host.address == nil {
      let name = serverName?.lowercased() ?? host.name
      // Names in certificates, and in SNI, have no dot at their end (RFC 6066 §3).
      return name.last == "." ? String(name.dropLast()) : name
    }
    if throughProxy, !isInsecure {
      throw .tlsOptions(
        "the certificate of the address \(host) cannot be checked through a proxy; use a name, or set serverName"
      )
    }
    return nil
  }
}

extension WebSocketClientError {
  /// An error that a channel has reported during a stage.
  init(_ error: any Error, during stage: Stage) {
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
