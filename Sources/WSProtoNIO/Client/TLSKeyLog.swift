// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOSSL

/// Receives the secrets of TLS connections, so that recordings of them can be decrypted. For tests only. Instances are
/// compared by identity.
public final class TLSKeyLog: Sendable, Hashable {
  let write: NIOSSLKeyLogCallback

  /// - Parameter write: called on event loops with a line in the format of `SSLKEYLOGFILE`, including the line ending.
  public init(_ write: @escaping NIOSSLKeyLogCallback) { self.write = write }

  /// Whether both are the same object.
  public static func == (one: TLSKeyLog, other: TLSKeyLog) -> Bool { one === other }

  /// Hashes the identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
#endif
