// SPDX-License-Identifier: Apache-2.0

#if NIO
public import NIOSSL

/// Takes the secrets of TLS connections, so that recordings of them can be decrypted. For tests. Each is equal to itself
/// only.
public final class TLSKeyLog: Sendable, Hashable {
  let write: NIOSSLKeyLogCallback

  /// - Parameter write: called on event loops with a line of the format of `SSLKEYLOGFILE`, with its end.
  public init(_ write: @escaping NIOSSLKeyLogCallback) { self.write = write }

  /// Whether both are the same object.
  public static func == (one: TLSKeyLog, other: TLSKeyLog) -> Bool { one === other }

  /// By identity.
  public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
#endif
