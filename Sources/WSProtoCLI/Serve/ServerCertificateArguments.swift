// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import NIOSSL
import WSProtoTool

/// The options for the certificate shown to clients, for `serve` and `proxy`.
struct ServerCertificateArguments: ParsableArguments {
  @Flag(help: "TLS with a certificate that the command openssl makes, for tests.")
  var tls = false

  @Option(help: ArgumentHelp("The certificate for TLS, with those that vouch for it.", valueName: "file"))
  var tlsCert: String?

  @Option(help: ArgumentHelp("Its key. (default: the file of --tls-cert)", valueName: "file"))
  var tlsKey: String?

  func validate() throws {
    if tls, tlsCert != nil { throw ValidationError("--tls and --tls-cert exclude each other") }
    if tlsKey != nil, tlsCert == nil { throw ValidationError("--tls-key needs --tls-cert") }
  }

  /// `nil` for no TLS.
  ///
  /// - Parameter host: the name or address at which the server listens. A generated certificate is valid for it.
  func configuration(host: String) throws -> TLSConfiguration? {
    guard tls || tlsCert != nil else { return nil }
    var files = (cert: tlsCert ?? "", key: tlsKey ?? tlsCert ?? "")
    var selfSigned: SelfSignedCertificate?
    if tls {
      let made = try SelfSignedCertificate.make(host: host)
      selfSigned = made
      files = (made.certificate, made.key)
    }
    defer { selfSigned?.remove() }
    let certificates = try PEMFile.certificates("--tls-cert", files.cert)
    let key = try PEMFile.key(tlsKey == nil ? "--tls-cert" : "--tls-key", files.key)
    try PEMFile.check(certificates, key, options: "--tls-cert and --tls-key")
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: certificates.map { .certificate($0) },
      privateKey: .privateKey(key)
    )
    configuration.keyLogCallback = try KeyLog.callback(file: nil)
    return configuration
  }
}
#endif
