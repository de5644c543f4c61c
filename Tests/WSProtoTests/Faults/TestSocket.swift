// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc

/// A stream socket of the system's, with a deadline on every wait.
final class TestSocket {
  /// How a read has ended.
  enum Read: Equatable {
    case bytes(Int)
    case end
    /// The peer has reset the connection.
    case reset
    /// Nothing came in time.
    case hang
  }

  /// What went wrong while sockets were made.
  struct Failure: Error { let call: String }

  private let descriptor: Int32
  private var isOpen = true

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close() }

  /// Two ends of a local socket.
  static func localPair() throws -> (TestSocket, TestSocket) {
    var descriptors: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &descriptors) == 0 else {
      throw Failure(call: "socketpair")
    }
    return (TestSocket(descriptors[0]), TestSocket(descriptors[1]))
  }

  /// Two ends of a TCP connection over the loopback interface, which can be reset.
  static func tcpPair() throws -> (TestSocket, TestSocket) {
    func made(_ result: Int32, _ call: String) throws -> Int32 {
      if result < 0 { throw Failure(call: call) }
      return result
    }
    let stream = Int32(SOCK_STREAM.rawValue)
    let listener = TestSocket(try made(socket(AF_INET, stream, 0), "socket"))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let client = TestSocket(try made(socket(AF_INET, stream, 0), "socket"))
    try withUnsafeMutablePointer(to: &address) { address in
      try address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = try made(bind(listener.descriptor, address, size), "bind")
        _ = try made(listen(listener.descriptor, 1), "listen")
        _ = try made(getsockname(listener.descriptor, address, &size), "getsockname")
        _ = try made(connect(client.descriptor, address, size), "connect")
      }
    }
    let server = TestSocket(try made(accept(listener.descriptor, nil, nil), "accept"))
    for one in [client, server] {
      var on: Int32 = 1
      setsockopt(one.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }
    return (client, server)
  }

  /// Writes all; whether the peer still takes it.
  func write(_ bytes: some Collection<UInt8>) -> Bool {
    let bytes = Array(bytes)
    var position = 0
    while position < bytes.count, isOpen {
      let written = bytes.withUnsafeBytes {
        send(
          descriptor,
          $0.baseAddress.map { $0 + position },
          bytes.count - position,
          Int32(MSG_NOSIGNAL)
        )
      }
      if written < 0 { return false }
      position += written
    }
    return isOpen
  }

  /// Reads what is there, once something is.
  func read(into room: UnsafeMutableRawBufferPointer) -> Read {
    var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&waiting, 1, 10_000) > 0 else { return .hang }
    let count = recv(descriptor, room.baseAddress, room.count, 0)
    return count > 0 ? .bytes(count) : count == 0 ? .end : .reset
  }

  /// No more is written: the peer reads the end of the stream.
  func finishWriting() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Ends both directions.
  func close() {
    if isOpen { _ = Glibc.close(descriptor) }
    isOpen = false
  }

  /// Ends a TCP connection with a reset: what was not read is lost.
  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }
}
#endif
