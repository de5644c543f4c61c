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

  func tls() throws -> WebSocketClientTLS {
    var tls = insecure ? WebSocketClientTLS.insecure : WebSocketClientTLS()
    if let file = Terminal.environment["SSL_CERT_FILE"], !file.isEmpty {
      tls.roots = .certificates(try PEMFile.certificates("SSL_CERT_FILE", file))
    }
    if let ca { tls.additionalRoots = [.certificates(try PEMFile.certificates("--ca", ca))] }
    return tls
  }
}
#endif
