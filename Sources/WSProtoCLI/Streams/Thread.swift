// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

private final class Work {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs `body` in a thread of its own, which nobody joins.
func detach(_ body: @escaping @Sendable () -> Void) throws(SocketError) {
  let argument = Unmanaged.passRetained(Work(body)).toOpaque()
  #if canImport(Darwin)
  var thread: pthread_t?
  let code = pthread_create(&thread, nil, { run($0) }, argument)
  if code == 0, let thread { pthread_detach(thread) }
  #else
  var thread = pthread_t()
  let code = pthread_create(&thread, nil, { run($0) }, argument)
  if code == 0 { pthread_detach(thread) }
  #endif
  if code != 0 {
    Unmanaged<Work>.fromOpaque(argument).release()
    throw SocketError("cannot start a thread", errno: code)
  }
}

private func run(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
  return nil
}
#endif
