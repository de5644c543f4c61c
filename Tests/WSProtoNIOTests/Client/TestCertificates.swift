// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL

/// Certificates for tests, of a root that nobody trusts: P-256, valid for a century. The keys are no secrets.
enum TestCertificates {
  /// Has signed the others.
  static let root = """
    -----BEGIN CERTIFICATE-----
    MIIBoDCCAUWgAwIBAgIUNRqj9jcgVsykNz9VUFYcQkI3IrcwCgYIKoZIzj0EAwIw
    HDEaMBgGA1UEAwwRV1NQcm90byB0ZXN0IHJvb3QwIBcNMjYxMTI2MDEzMTM5WhgP
    MjEyNjExMDIwMTMxMzlaMBwxGjAYBgNVBAMMEVdTUHJvdG8gdGVzdCByb290MFkw
    EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEQxDClrmQ1PmjdmRqQxtLozb3zhSjTG0V
    iuO5y1ikHbo96JRmhnNVM990+L/VteOkGM7Kvh9xTLqLkXNN7TVrQqNjMGEwHQYD
    VR0OBBYEFDK3pd2eyK59iBedyo/BXUnBC0erMB8GA1UdIwQYMBaAFDK3pd2eyK59
    iBedyo/BXUnBC0erMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgIEMAoG
    CCqGSM49BAMCA0kAMEYCIQDSoq8q4UJuSnXCu4ZXy0DQbAlLhXwEksXj4Y3um8cA
    HQIhALHol7f4m3ZHVNoe23HTSzagFX6YHccWFbPkbm2L4Kbq
    -----END CERTIFICATE-----
    """

  /// For `localhost`, `example.com` and 127.0.0.1.
  static let server = """
    -----BEGIN CERTIFICATE-----
    MIIBwDCCAWegAwIBAgIUX9cM44oFfXqSTye/ZDBgSe3gsWswCgYIKoZIzj0EAwIw
    HDEaMBgGA1UEAwwRV1NQcm90byB0ZXN0IHJvb3QwIBcNMjYxMTI2MDEzMTM5WhgP
    MjEyNjExMDIwMTMxMzlaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49
    AgEGCCqGSM49AwEHA0IABL/MTsTJQCfdissh+3Xmaz0uqDXCH9E5QTooaNgfKeFP
    IOFZ0qVL/YU44KICuavEms6Dw4AdS+UG4reTX283ESGjgYwwgYkwCQYDVR0TBAIw
    ADATBgNVHSUEDDAKBggrBgEFBQcDATAnBgNVHREEIDAegglsb2NhbGhvc3SCC2V4
    YW1wbGUuY29thwR/AAABMB0GA1UdDgQWBBSfEbVtxrO1/69O6ZA1Kbtd5GQO3TAf
    BgNVHSMEGDAWgBQyt6XdnsiufYgXncqPwV1JwQtHqzAKBggqhkjOPQQDAgNHADBE
    AiAG5GJUAngy2pPkt6/hUHdnvl7lSrsMoNBHNnoCsyEWjQIgF1Wk9f8J4gWdMOsk
    Tz3SzSP7mAiFZOdWcBRBMuteMDQ=
    -----END CERTIFICATE-----
    """

  /// The server's.
  static let serverKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMhJg89LEBrQJTLhQ
    j9Rzjx74uhvnp0KknTwxyZpPsOyhRANCAAS/zE7EyUAn3YrLIft15ms9Lqg1wh/R
    OUE6KGjYHynhTyDhWdKlS/2FOOCiArmrxJrOg8OAHUvlBuK3k19vNxEh
    -----END PRIVATE KEY-----
    """

  /// For a client.
  static let client = """
    -----BEGIN CERTIFICATE-----
    MIIBoDCCAUagAwIBAgIUX9cM44oFfXqSTye/ZDBgSe3gsWwwCgYIKoZIzj0EAwIw
    HDEaMBgGA1UEAwwRV1NQcm90byB0ZXN0IHJvb3QwIBcNMjYxMTI2MDEzMTM5WhgP
    MjEyNjExMDIwMTMxMzlaMB4xHDAaBgNVBAMME1dTUHJvdG8gdGVzdCBjbGllbnQw
    WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT+B0CKYJjRS85WnQiq2HffVaWvHZUa
    J95CFEhfbQ4dADiWGEm1kpjGbokOMf3Qvkh6Rk7OrQ1S7NcAabvLzNJ9o2IwYDAJ
    BgNVHRMEAjAAMBMGA1UdJQQMMAoGCCsGAQUFBwMCMB0GA1UdDgQWBBQqVHuam2w2
    EUW9ZTdKI392x6wH6jAfBgNVHSMEGDAWgBQyt6XdnsiufYgXncqPwV1JwQtHqzAK
    BggqhkjOPQQDAgNIADBFAiAXq1fl8JMBIMJcZiQ6Gq2USYe6Y3ipHRao6MIvaXFi
    NwIhAPLC3VZftSP05kIPmknzD1Sr2rsu5O5PyiyYYr6a5wny
    -----END CERTIFICATE-----
    """

  /// The client's.
  static let clientKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgj8FfE5j1Yainkx6G
    8iJSXEHyBoTqFLQoBiLXeQ0P+UahRANCAAT+B0CKYJjRS85WnQiq2HffVaWvHZUa
    J95CFEhfbQ4dADiWGEm1kpjGbokOMf3Qvkh6Rk7OrQ1S7NcAabvLzNJ9
    -----END PRIVATE KEY-----
    """

  /// What `pem` holds.
  static func certificate(_ pem: String) throws -> NIOSSLCertificate {
    try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem)
  }

  /// The key that `pem` holds.
  static func key(_ pem: String) throws -> NIOSSLPrivateKey {
    try NIOSSLPrivateKey(bytes: Array(pem.utf8), format: .pem)
  }

  /// A server's side of TLS.
  ///
  /// - Parameter wantsClient: whether the client must show a certificate.
  static func serverContext(wantsClient: Bool = false) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(try certificate(server))],
      privateKey: .privateKey(try key(serverKey))
    )
    configuration.applicationProtocols = ["http/1.1"]
    if wantsClient {
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates([try certificate(root)])
    }
    return try NIOSSLContext(configuration: configuration)
  }
}
#endif
