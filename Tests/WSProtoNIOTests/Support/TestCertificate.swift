// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOSSL

@testable import WSProtoNIO

/// A certificate for localhost, signed by itself, for tests only: its key is no secret.
enum TestCertificate {
  case first
  case second

  var server: TLSConfiguration {
    get throws {
      let key = try NIOSSLPrivateKey(bytes: Array(keyPEM.utf8), format: .pem)
      return .makeServerConfiguration(
        certificateChain: [.certificate(try certificate)],
        privateKey: .privateKey(key)
      )
    }
  }

  /// A client that trusts this certificate and no other.
  func client(_ protocols: [String]) throws -> TLSConfiguration {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .certificates([try certificate])
    configuration.applicationProtocols = protocols
    return configuration
  }

  private var certificate: NIOSSLCertificate {
    get throws { try NIOSSLCertificate(bytes: Array(pem.utf8), format: .pem) }
  }

  private var pem: String {
    switch self {
    case .first: Self.firstPEM
    case .second: Self.secondPEM
    }
  }

  private var keyPEM: String {
    switch self {
    case .first: Self.firstKey
    case .second: Self.secondKey
    }
  }

  private static let firstPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBmzCCAUGgAwIBAgIUY+EoRqAYe1MyBABJblocRa/Ix98wCgYIKoZIzj0EAwIw
    FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjAyMDU0OFoYDzIxMjYxMTAy
    MDIwNTQ4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
    PQMBBwNCAAQULMd2v2uvn71V1127pYh0MlP6WoVb3JoAzDwtB0le97CEavc49r0X
    gTD0P5lxgHe3FWMOjy9CHfasEwI0+AqNo28wbTAdBgNVHQ4EFgQUqnI8PNxd07cx
    +KYcXOypW9z87J8wHwYDVR0jBBgwFoAUqnI8PNxd07cx+KYcXOypW9z87J8wDwYD
    VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
    zj0EAwIDSAAwRQIgKYFSAeHsNz3PqSvxPbAZCDwZ3IGOn3CnCJxE/s51XJUCIQCh
    iDe0SNNe3o00NeTYncEFLDBjqQmMWNvCnHbbZJnPgQ==
    -----END CERTIFICATE-----
    """

  private static let firstKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHLLfylqefjgbb7KC
    KnuyEkMWrRl82N7s++BGxtl1oaahRANCAAQULMd2v2uvn71V1127pYh0MlP6WoVb
    3JoAzDwtB0le97CEavc49r0XgTD0P5lxgHe3FWMOjy9CHfasEwI0+AqN
    -----END PRIVATE KEY-----
    """

  private static let secondPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBnDCCAUGgAwIBAgIURfBKgMjJE53LZjET6L+ZQVpZX2EwCgYIKoZIzj0EAwIw
    FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNjAyMDU0OFoYDzIxMjYxMTAy
    MDIwNTQ4WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
    PQMBBwNCAAQs///23I+1oecEaJfCQpiEN0jICn9CQrWIMmNxn9VtYUk2yMd45zBh
    1SZFDIbmOT3Vau+qQsvlwcsVMKj7F8Lio28wbTAdBgNVHQ4EFgQUysBOI3uMH67X
    5g+HsdN7oH+un/MwHwYDVR0jBBgwFoAUysBOI3uMH67X5g+HsdN7oH+un/MwDwYD
    VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
    zj0EAwIDSQAwRgIhALclSTV5Y5TtjMkzzmiB87wzQrA3MG3eqHQn4u109X0YAiEA
    siq7quOfc2dnLkvbWwEhibSxLsfUgbwEutZ9GDwSE44=
    -----END CERTIFICATE-----
    """

  private static let secondKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgqXexb4McuOFRg5DL
    DngBCJTFAIAOBciFEGRYw2UKLcWhRANCAAQs///23I+1oecEaJfCQpiEN0jICn9C
    QrWIMmNxn9VtYUk2yMd45zBh1SZFDIbmOT3Vau+qQsvlwcsVMKj7F8Li
    -----END PRIVATE KEY-----
    """
}
#endif
