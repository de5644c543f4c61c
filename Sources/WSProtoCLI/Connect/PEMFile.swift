// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import ArgumentParser
import NIOSSL
import WSProtoLab

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Files of certificates and keys that somebody names; where one cannot be used, its name and the cause are told.
enum PEMFile {
  /// - Parameter option: what has named the file.
  static func certificates(_ option: String, _ path: String) throws -> [NIOSSLCertificate] {
    try read(option, path, what: "certificate") {
      let certificates = try NIOSSLCertificate.fromPEMFile(path)
      return certificates.isEmpty ? nil : certificates
    }
  }

  /// - Parameter option: what has named the file.
  static func key(_ option: String, _ path: String) throws -> NIOSSLPrivateKey {
    try read(option, path, what: "private key without a passphrase") {
      try NIOSSLPrivateKey(file: path, format: .pem)
    }
  }

  /// Checks that a key is that of a certificate.
  ///
  /// - Parameter options: what has named the files.
  static func check(_ certificates: [NIOSSLCertificate], _ key: NIOSSLPrivateKey, options: String) throws {
    let configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: certificates.map { .certificate($0) },
      privateKey: .privateKey(key)
    )
    guard (try? NIOSSLContext(configuration: configuration)) != nil else {
      throw ValidationError("\(options): the private key is not that of the certificate")
    }
  }

  private static func read<Value>(
    _ option: String,
    _ path: String,
    what: String,
    _ body: () throws -> Value?
  ) throws -> Value {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ValidationError(
        "\(option): the file \(shownInQuotes(path)) cannot be read: \(String(cString: strerror(errno)))"
      )
    }
    close(descriptor)
    // The library's words name neither the file nor the cause.
    guard let value = try? body() else {
      throw ValidationError("\(option): the file \(shownInQuotes(path)) holds no \(what) in PEM form")
    }
    return value
  }
}
#endif
