// SPDX-License-Identifier: Apache-2.0

#if Tool && NIO
import NIOCore
import NIOPosix
import WSProtoLab
import WSProtoNIO
import WSProtoTool

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The path of a Unix socket to listen at.
enum UnixSocketPath {
  /// A socket that a server has left behind is replaced by the next one, but not one that somebody listens at: two
  /// servers would run, nobody would reach the first, and its end would remove the second's.
  static func checkIsFree(_ path: String) async throws {
    let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connectTimeout(.seconds(1))
    do {
      let other = try await bootstrap.connect(unixDomainSocketPath: path).get()
      other.close(promise: nil)
    } catch let error as IOError where Self.isFree(error) {
      return
    } catch is UnixDomainSocketPathWrongType {
      return
    } catch let error as SocketAddressError {
      throw ToolFailure(.notConnected, "cannot listen at unix:\(shown(path)): \(systemText(error))")
    } catch {
      // A server that is too busy to answer, or that belongs to somebody else.
      throw ToolFailure(
        .notConnected,
        "cannot listen at unix:\(shown(path)): a socket is there already: \(systemText(error))"
      )
    }
    throw ToolFailure(.notConnected, "cannot listen at unix:\(shown(path)): a server listens there already")
  }

  /// There is no socket, or nobody has it any more; or no socket can be there, which listening tells.
  private static func isFree(_ error: IOError) -> Bool {
    [ECONNREFUSED, ENOENT, ENOTDIR, ENOTSOCK].contains(error.errnoCode)
  }
}
#endif
