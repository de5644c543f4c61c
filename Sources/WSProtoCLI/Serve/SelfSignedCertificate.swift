// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import Foundation
import WSProtoLab
import WSProtoTool

/// A certificate for this machine that vouches for itself, made by the command `openssl`.
struct SelfSignedCertificate {
  let certificate: String
  let key: String
  private let folder: URL

  /// - Parameter host: a name or an address that it is for, besides those of this machine.
  static func make(host: String) throws -> SelfSignedCertificate {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("wsproto-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder,
      withIntermediateDirectories: false,
      attributes: [.posixPermissions: 0o700]
    )
    let certificate = folder.appendingPathComponent("certificate.pem").path
    let key = folder.appendingPathComponent("key.pem").path
    let made = SelfSignedCertificate(certificate: certificate, key: key, folder: folder)
    var names = "DNS:localhost,IP:127.0.0.1,IP:::1"
    let isAddress = host.allSatisfy { $0.isNumber || $0 == "." } || host.contains(":")
    if !["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"].contains(host) {
      names += isAddress ? ",IP:\(host)" : ",DNS:\(host)"
    }
    do {
      try run([
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "30",
        "-subj", "/CN=wsproto serve", "-addext", "subjectAltName=\(names)", "-keyout", key, "-out",
        certificate,
      ])
    } catch {
      made.remove()
      throw error
    }
    return made
  }

  /// Removes the files, which are not needed once they are read.
  func remove() { try? FileManager.default.removeItem(at: folder) }

  private static func run(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let output = Pipe()
    process.standardOutput = FileHandle.nullDevice
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      throw ToolFailure(
        .failure,
        "--tls needs the command openssl, which cannot be run: --tls-cert takes a certificate"
      )
    }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationStatus == 127 {
      throw ToolFailure(
        .failure,
        "--tls needs the command openssl, which is not installed: --tls-cert takes a certificate"
      )
    }
    guard process.terminationStatus == 0 else {
      throw ToolFailure(.failure, "openssl has made no certificate: \(shownLines(text).last ?? "")")
    }
  }
}
#endif
