// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import NIOSSL
import WSProtoNIO

/// The options for trusting a server's certificate, for all commands that connect to one.
struct TrustArguments: ParsableArguments {
  @Flag(name: [.customShort("k"), .long], help: "Accept any certificate of the server's.")
  var insecure = false

  @Option(help: ArgumentHelp("Certificates to trust besides the system's.", valueName: "file"))
  var ca: String?

  /// - Parameter isNeeded: whether there certainly is TLS. `SSL_CERT_FILE` is often set for other programs, so its file is
  ///   read now only where it is needed, and otherwise when TLS begins, after a redirect for example.
  func tls(isNeeded: Bool) throws -> WebSocketClientTLS {
    var tls = insecure ? WebSocketClientTLS.insecure : WebSocketClientTLS()
    if !insecure, let file = Terminal.environment["SSL_CERT_FILE"], !file.isEmpty {
      tls.roots = isNeeded ? .certificates(try PEMFile.certificates("SSL_CERT_FILE", file)) : .file(file)
    }
    if let ca { tls.additionalRoots = [.certificates(try PEMFile.certificates("--ca", ca))] }
    return tls
  }
}
#endif
