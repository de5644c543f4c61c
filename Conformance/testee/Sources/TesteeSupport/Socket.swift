// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A blocking TCP socket on the loopback address.
public struct Socket: Sendable {
  let descriptor: Int32

  private static func open() -> Int32 {
    #if canImport(Glibc)
    let stream = Int32(SOCK_STREAM.rawValue)
    #else
    let stream = SOCK_STREAM
    #endif
    return socket(AF_INET, stream, 0)
  }

  private static func loopback(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  /// Listens on `port`, or on a free one for 0; the port comes back.
  public static func listen(_ port: UInt16) -> (socket: Socket, port: UInt16)? {
    let descriptor = open()
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var address = loopback(port)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        bind(descriptor, generic, size) == 0 && getsockname(descriptor, generic, &size) == 0
      }
    }
    #if canImport(Glibc)
    let started = Glibc.listen(descriptor, 64)
    #elseif canImport(Musl)
    let started = Musl.listen(descriptor, 64)
    #else
    let started = Darwin.listen(descriptor, 64)
    #endif
    return bound && started == 0 ? (Socket(descriptor: descriptor), UInt16(bigEndian: address.sin_port)) : nil
  }

  /// Connects to `port`.
  public static func connect(_ port: UInt16) -> Socket? {
    let descriptor = open()
    var address = loopback(port)
    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
        #if canImport(Glibc)
        Glibc.connect(descriptor, generic, size) == 0
        #elseif canImport(Musl)
        Musl.connect(descriptor, generic, size) == 0
        #else
        Darwin.connect(descriptor, generic, size) == 0
        #endif
      }
    }
    let made = Socket(descriptor: descriptor)
    made.sendAtOnce()
    return connected ? made : nil
  }

  /// The next connection.
  public func accept() -> Socket? {
    #if canImport(Glibc)
    let accepted = Glibc.accept(descriptor, nil, nil)
    #elseif canImport(Musl)
    let accepted = Musl.accept(descriptor, nil, nil)
    #else
    let accepted = Darwin.accept(descriptor, nil, nil)
    #endif
    guard accepted >= 0 else { return nil }
    Socket(descriptor: accepted).sendAtOnce()
    return Socket(descriptor: accepted)
  }

  private func sendAtOnce() {
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  /// Reads what is there into `buffer`; 0 at the end of the stream or after an error.
  public func read(into buffer: inout [UInt8]) -> Int {
    let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
    return max(0, count)
  }

  /// Writes all of `bytes`; false if the peer is gone.
  public func write(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { all in
      var rest = all[...]
      while !rest.isEmpty {
        let slice = UnsafeRawBufferPointer(rebasing: rest)
        #if canImport(Darwin)
        let count = send(descriptor, slice.baseAddress, slice.count, 0)
        #else
        let count = send(descriptor, slice.baseAddress, slice.count, Int32(MSG_NOSIGNAL))
        #endif
        if count <= 0 { return false }
        rest = rest.dropFirst(count)
      }
      return true
    }
  }

  /// Waits until something can be read, or written where that is `wanted`; what can be done comes back, both `false`
  /// after `seconds` without either.
  public func wait(toWrite wanted: Bool, seconds: Int) -> (read: Bool, write: Bool) {
    var one = pollfd(fd: descriptor, events: Int16(wanted ? POLLIN | POLLOUT : POLLIN), revents: 0)
    guard poll(&one, 1, Int32(seconds) * 1000) > 0 else { return (false, false) }
    return (one.revents & ~Int16(POLLOUT) != 0, one.revents & Int16(POLLOUT) != 0)
  }

  /// Writes as many of `bytes` as the system takes without waiting; `nil` if the peer is gone.
  public func writeSome(_ bytes: ArraySlice<UInt8>) -> Int? {
    #if canImport(Darwin)
    let flags = MSG_DONTWAIT
    #else
    let flags = Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)
    #endif
    let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
    if count >= 0 { return count }
    return errno == EAGAIN || errno == EINTR ? 0 : nil
  }

  /// Ends this end's direction, so that the peer reads an end of the stream.
  public func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Closes the socket with a reset: the peer reads an error.
  public func reset() {
    var none = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, socklen_t(MemoryLayout<linger>.size))
    closeDescriptor()
  }

  /// Closes the socket.
  public func close() {
    finishWriting()
    closeDescriptor()
  }

  private func closeDescriptor() {
    #if canImport(Glibc)
    _ = Glibc.close(descriptor)
    #elseif canImport(Musl)
    _ = Musl.close(descriptor)
    #else
    _ = Darwin.close(descriptor)
    #endif
  }
}

/// Runs `body` on a thread of its own.
public func onThread(_ body: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }
  let box = Unmanaged.passRetained(Box(body)).toOpaque()
  #if canImport(Darwin)
  var thread: pthread_t?
  pthread_create(
    &thread,
    nil,
    { raw in
      Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body(); return nil
    },
    box
  )
  if let thread { pthread_detach(thread) }
  #else
  var thread = pthread_t()
  pthread_create(
    &thread,
    nil,
    { raw in
      if let raw { Unmanaged<Box>.fromOpaque(raw).takeRetainedValue().body() }
      return nil
    },
    box
  )
  pthread_detach(thread)
  #endif
}
