// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOSSL
import WSProto

/// What a client's TLS trusts, and what it shows of itself.
public struct WebSocketClientTLS: Sendable, Hashable {
  /// Which certificates may vouch for the server's. Default: those of the system.
  public var roots = NIOSSLTrustRoots.default
  /// More of them, beside ``roots``. Default none.
  public var additionalRoots: [NIOSSLAdditionalTrustRoots] = []
  /// The client's own certificate, followed by those that vouch for it; empty, the default, for none.
  public var certificateChain: [NIOSSLCertificateSource] = []
  /// The key of the client's own certificate.
  public var privateKey: NIOSSLPrivateKeySource?
  /// The name that the server is asked for (SNI, RFC 6066 §3), and whose certificate it must show, in place of the URL's
  /// host. An address is not told, but looked for in the certificate. Default `nil`.
  public var serverName: String?
  /// The least version. Default 1.2.
  public var minimumVersion = TLSVersion.tlsv12
  /// Takes the secrets of each connection. Default `nil`. For tests.
  public var keyLog: TLSKeyLog?
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
  ///
  /// - Parameter protocols: what is offered by ALPN.
  func makeContext(offering protocols: [String]) throws(WebSocketClientError) -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = minimumVersion
    configuration.trustRoots = roots
    configuration.additionalTrustRoots = additionalRoots
    configuration.certificateChain = certificateChain
    configuration.privateKey = privateKey
    configuration.keyLogCallback = keyLog?.write
    // Whose certificate it is, `ServerIdentity` checks.
    configuration.certificateVerification = isInsecure ? .none : .noHostnameVerification
    configuration.applicationProtocols = protocols
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw .tlsOptions("\(error)")
    }
  }

  /// Who is asked for, and must show a certificate of its own: a name, without a dot at its end (RFC 6066 §3), or an
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
