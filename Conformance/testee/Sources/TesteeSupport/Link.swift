// SPDX-License-Identifier: Apache-2.0

public import WSProto

/// A connection and its socket, read and written at once: a peer that writes without reading never blocks it.
///
/// What is to be sent is kept in ``output``, without a bound: the peers of a test send a known amount.
public final class Link {
  /// The library's end.
  public let connection: WSConnection
  /// What its bytes go through.
  public let socket: Socket
  /// What is still to be written.
  public var output: [UInt8] = []
  /// Why the handshake failed, or the peer went away.
  public private(set) var failure: String?

  private var written = 0
  private var ended = false
  private var isOpen = true
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)

  /// Messages are delivered whole.
  public init(_ type: ConnectionType, _ socket: Socket) {
    self.socket = socket
    connection = WSConnection(type, configuration: Configuration(delivery: .wholeMessages))
  }

  /// Whether all of ``output`` is with the system.
  public var isFlushed: Bool { output.isEmpty }

  /// Waits until something can be done, does it, and hands each event to `body`. Returns `false` once nothing more will
  /// happen: closed and flushed, the peer gone, or silent for `seconds`.
  public func turn(seconds: Int = 60, _ body: (Event) throws -> Void) throws -> Bool {
    if ended || (connection.state == .closed && isFlushed) { return false }
    let ready = socket.wait(toWrite: !isFlushed, seconds: seconds)
    if ready.write { write() }
    if ready.read, connection.state != .closed { read() }
    if !ready.read, !ready.write {
      failure = "nothing came for \(seconds) s"
      return false
    }
    while let event = connection.nextEvent() { try body(event) }
    return !(ended || (connection.state == .closed && isFlushed))
  }

  private func write() {
    guard let count = socket.writeSome(output[written...]) else {
      // The peer has reset the connection. What came before is still to be read.
      output.removeAll()
      written = 0
      return
    }
    written += count
    if written == output.count {
      output.removeAll(keepingCapacity: true)
      written = 0
    }
  }

  private func read() {
    let count = socket.read(into: &buffer)
    ended = count == 0
    do throws(ProtocolError) {
      if ended {
        try connection.receiveEndOfStream()
      } else {
        try connection.receiveData(buffer[..<count])
      }
    } catch {
      failure = error.description
      if !ended, case .remote(let error) = error, let answer = error.eventHint {
        try? connection.send(answer, into: &output)
      }
      _ = socket.write(Array(output[written...]))
      ended = true
    }
  }

  /// Closes the socket in order: the server ends its direction first, the client waits for that (RFC 6455 §7.1.1).
  public func finish() {
    if connection.type == .server { socket.finishWriting() }
    while !ended, socket.wait(toWrite: false, seconds: 2).read, socket.read(into: &buffer) > 0 {}
    drop()
  }

  /// Closes the socket at once; nothing happens the second time.
  public func drop(withReset: Bool = false) {
    if isOpen { withReset ? socket.reset() : socket.close() }
    isOpen = false
    ended = true
  }
}
