// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A call to the system that did not work, in words.
struct SocketError: Error, CustomStringConvertible {
  var description: String

  init(_ description: String) { self.description = description }

  /// With what the system says about `errno`.
  init(_ what: String, errno code: Int32) {
    description = "\(what): \(String(cString: strerror(code)))"
  }
}

/// A TCP socket with blocking calls, or a listener for them. The owner calls ``close()``, once.
struct Socket: Sendable {
  let descriptor: Int32

  // MARK: Making

  /// Connects to the first address of `host` that answers.
  static func connect(host: String, port: Int, timeout: Int) throws(SocketError) -> Socket {
    try withAddresses(host: host, port: port, passive: false) { (address) throws(SocketError) in
      let socket = try Socket(like: address)
      socket.set(SO_SNDTIMEO, seconds: timeout)
      socket.set(SO_RCVTIMEO, seconds: timeout)
      guard systemConnect(socket.descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0 else {
        let code = errno == EINPROGRESS ? ETIMEDOUT : errno
        socket.close()
        throw SocketError("cannot connect to \(host) port \(port)", errno: code)
      }
      socket.sendWithoutDelay()
      return socket
    }
  }

  /// Listens at `host`; with port 0 the system chooses one.
  static func listen(host: String, port: Int) throws(SocketError) -> Socket {
    try withAddresses(host: host, port: port, passive: true) { (address) throws(SocketError) in
      let socket = try Socket(like: address)
      var on: Int32 = 1
      setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      guard
        bind(socket.descriptor, address.pointee.ai_addr, address.pointee.ai_addrlen) == 0,
        systemListen(socket.descriptor, 128) == 0
      else {
        let code = errno
        socket.close()
        throw SocketError("cannot listen at \(host) port \(port)", errno: code)
      }
      return socket
    }
  }

  private init(descriptor: Int32) { self.descriptor = descriptor }

  private init(like address: UnsafeMutablePointer<addrinfo>) throws(SocketError) {
    let info = address.pointee
    descriptor = socket(info.ai_family, info.ai_socktype, info.ai_protocol)
    if descriptor < 0 { throw SocketError("cannot make a socket", errno: errno) }
    #if canImport(Darwin)
    var on: Int32 = 1
    setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    #endif
  }

  /// Waits for the next connection.
  func accept() throws(SocketError) -> Socket {
    while true {
      let accepted = systemAccept(descriptor, nil, nil)
      if accepted >= 0 {
        let socket = Socket(descriptor: accepted)
        socket.sendWithoutDelay()
        return socket
      }
      // A peer that has gone again is no reason to stop.
      if errno != EINTR, errno != ECONNABORTED { throw SocketError("cannot accept", errno: errno) }
    }
  }

  /// The port that a listener got.
  func port() throws(SocketError) -> Int {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard result == 0 else { throw SocketError("cannot read the port", errno: errno) }
    // The port is at the same place in both families.
    let raw = withUnsafeBytes(of: storage) { $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self) }
    return Int(UInt16(bigEndian: raw))
  }

  // MARK: Options

  func set(_ option: Int32, seconds: Int) {
    var time = timeval()
    time.tv_sec = .init(seconds)
    setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
  }

  func setBlocking(_ blocking: Bool) {
    let flags = fcntl(descriptor, F_GETFL)
    _ = fcntl(descriptor, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK)
  }

  private func sendWithoutDelay() {
    var on: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
  }

  // MARK: Reading and writing

  /// Reads what is there into the front of `buffer`: how many bytes, 0 at the end of the stream, `nil` if a
  /// non-blocking socket has none.
  func read(into buffer: inout [UInt8]) throws(SocketError) -> Int? {
    while true {
      let count = buffer.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
      if count >= 0 { return count }
      switch errno {
      case EINTR: continue
      case EAGAIN where isNonBlocking: return nil
      case EAGAIN: throw SocketError("nothing came from the peer in time")
      // Also an end: whether it came too early is for the protocol to say.
      case ECONNRESET: return 0
      case let code: throw SocketError("cannot read", errno: code)
      }
    }
  }

  /// Writes all of `bytes`.
  func write(_ bytes: [UInt8]) throws(SocketError) {
    var position = 0
    while position < bytes.count {
      position += try writeSome(bytes[position...]) ?? 0
    }
  }

  /// Writes what the system takes now; `nil` if a non-blocking socket takes nothing.
  func writeSome(_ bytes: ArraySlice<UInt8>) throws(SocketError) -> Int? {
    #if canImport(Darwin)
    let flags: Int32 = 0
    #else
    let flags = Int32(MSG_NOSIGNAL)
    #endif
    while true {
      let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, flags) }
      if count >= 0 { return count }
      switch errno {
      case EINTR: continue
      case EAGAIN where isNonBlocking: return nil
      case EAGAIN: throw SocketError("the peer does not read in time")
      case let code: throw SocketError("cannot write", errno: code)
      }
    }
  }

  private var isNonBlocking: Bool { fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0 }

  // MARK: Ending

  /// Closes after the peer has ended its direction, so that the last bytes are not cut off by a reset. The server ends
  /// its own first; the client waits for that (RFC 6455 §7.1.1).
  func finish(asServer: Bool, seconds: Int = 2) {
    if asServer { _ = shutdown(descriptor, Int32(SHUT_WR)) }
    set(SO_RCVTIMEO, seconds: seconds)
    var rest = [UInt8](repeating: 0, count: 4096)
    while let count = try? read(into: &rest), count > 0 {}
    close()
  }

  func close() {
    _ = systemClose(descriptor)
  }

  private static func withAddresses(
    host: String,
    port: Int,
    passive: Bool,
    _ body: (UnsafeMutablePointer<addrinfo>) throws(SocketError) -> Socket
  ) throws(SocketError) -> Socket {
    var hints = addrinfo()
    #if canImport(Glibc)
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
    hints.ai_socktype = SOCK_STREAM
    #endif
    hints.ai_flags = passive ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, String(port), &hints, &list)
    guard code == 0 else {
      throw SocketError("cannot find \(host): \(String(cString: gai_strerror(code)))")
    }
    defer { freeaddrinfo(list) }
    var failure = SocketError("\(host) has no address")
    var next = list
    while let address = next {
      do throws(SocketError) {
        return try body(address)
      } catch {
        failure = error
      }
      next = address.pointee.ai_next
    }
    throw failure
  }
}

// The system's functions under names that the methods above do not hide.
private let systemConnect = connect
private let systemListen = listen
private let systemAccept = accept
private let systemClose = close
#endif
