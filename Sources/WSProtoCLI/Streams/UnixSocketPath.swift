// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import WSProtoLab
import WSProtoTool

/// The path of a Unix socket to listen at.
enum UnixSocketPath {
  /// A socket that a server has left behind is replaced by the next one, but not one that somebody listens at: two
  /// servers would run, nobody would reach the first, and its end would remove the second's.
  static func checkIsFree(_ path: String) async throws {
    guard
      let other = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .connectTimeout(.seconds(1)).connect(unixDomainSocketPath: path).get()
    else { return }
    other.close(promise: nil)
    throw ToolFailure(.notConnected, "cannot listen at unix:\(shown(path)): a server listens there already")
  }
}
#endif
