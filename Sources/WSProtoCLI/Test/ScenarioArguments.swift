// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import NIOSSL
import WSProtoLab
import WSProtoNIO
import WSProtoTool

/// How `test`, `record` and `replay` reach servers.
struct ScenarioArguments: ParsableArguments {
  @Flag(name: [.customShort("k"), .long], help: "Accept any certificate of a server's.")
  var insecure = false

  @Option(help: ArgumentHelp("Certificates to trust besides the system's.", valueName: "file"))
  var ca: String?

  func network() throws -> SocketNetwork {
    var tls = WebSocketClientTLS()
    if let file = Terminal.environment["SSL_CERT_FILE"], !file.isEmpty { tls.roots = .file(file) }
    if let ca {
      do {
        tls.additionalRoots = [.certificates(try NIOSSLCertificate.fromPEMFile(ca))]
      } catch {
        throw ValidationError("--ca cannot be read: \(error)")
      }
    }
    tls.keyLog = try KeyLog.callback(file: nil).map { TLSKeyLog($0) }
    return SocketNetwork(tls: tls)
  }
}

/// All of a file, or of standard input.
func contents(of path: String, atMost limit: Int) throws(ToolFailure) -> [UInt8] {
  let file = try InputFile(path)
  var all: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  while true {
    let count = try file.read(into: &buffer)
    guard count > 0 else { return all }
    all += buffer[..<count]
    guard all.count <= limit else { throw ToolFailure(.input, "\(file.name) has more than \(limit) bytes") }
  }
}
#endif
