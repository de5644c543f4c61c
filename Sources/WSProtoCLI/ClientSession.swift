// SPDX-License-Identifier: Apache-2.0

#if Tool
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

import WSProto

/// Why a client stopped, in words.
struct ClientFailure: Error, CustomStringConvertible {
  var description: String
}

/// A client between standard input and a socket, in one thread: `poll` says which of them has something.
///
/// Input is read only when everything before it is on its way, so a slow server slows the input down and memory stays
/// bounded; and the socket is read all the time, so two ends that both write cannot wait for each other.
struct ClientSession {
  struct Options {
    var limits: Limits
    var binary: Bool
    var fragment: Int?
    var close: CloseConnection
    var timeout: Int
    /// Close when so many messages have arrived.
    var count: Int?
    /// Seconds of silence after the end of the input before the close, where no count is given.
    var linger: Double
  }

  private let socket: Socket
  private let options: Options
  private let printer: ClientPrinter
  private let connection: WSConnection

  private var output: [UInt8] = []
  private var written = 0
  private var inputIsOpen = true
  private var line: [UInt8] = []
  private var buffer = [UInt8](repeating: 0, count: 64 << 10)
  private var close: CloseConnection?
  private var refusal: Int?
  private var refusalBody: [UInt8] = []
  private var received = 0
  /// When the handshake under way, opening or closing, takes too long; after the end of the input: when to close.
  private var deadline: ContinuousClock.Instant

  init(_ socket: Socket, options: Options, printer: ClientPrinter) {
    self.socket = socket
    self.options = options
    self.printer = printer
    connection = WSConnection(
      .client,
      configuration: Configuration(delivery: .wholeMessages, limits: options.limits)
    )
    deadline = .now + .seconds(options.timeout)
  }

  /// Talks until the connection is closed.
  mutating func run(_ request: Request) throws {
    defer { socket.close() }
    try connection.send(request, into: &output)
    socket.setBlocking(false)
    while connection.state != .closed { try turn() }
    try flush()
    socket.finish(asServer: false)
    try judge()
  }

  private func judge() throws(ClientFailure) {
    if let refusal {
      let body = printable(String(decoding: refusalBody.prefix(200), as: UTF8.self))
      throw ClientFailure(
        description: "the server refused with \(refusal)" + (body.isEmpty ? "" : ": \(body)")
      )
    }
    guard let close else { throw ClientFailure(description: "the server has closed the connection") }
    switch close.code {
    case .normalClosure, .goingAway, .noStatusRcvd, options.close.code: return
    case .abnormalClosure: throw ClientFailure(description: "the connection ended without a close (1006)")
    default:
      let reason = close.reason.map { $0.isEmpty ? "" : " " + $0.debugDescription } ?? ""
      throw ClientFailure(description: "the connection was closed with \(close.code)\(reason)")
    }
  }

  // MARK: One turn of the loop

  private mutating func turn() throws {
    let wantsInput = connection.state == .open && inputIsOpen && output.isEmpty
    var events: [pollfd] = [
      pollfd(fd: socket.descriptor, events: Int16(POLLIN | (output.isEmpty ? 0 : POLLOUT)), revents: 0),
      // A negative descriptor is left out.
      pollfd(fd: wantsInput ? 0 : -1, events: Int16(POLLIN), revents: 0),
    ]
    let rest = remainingMilliseconds()
    if rest == 0 { return try timeIsUp() }
    let ready = poll(&events, 2, rest ?? -1)
    if ready < 0, errno != EINTR { throw SocketError("cannot wait", errno: errno) }
    if ready <= 0 { return }
    if events[0].revents & Int16(POLLOUT) != 0 { try writeOutput() }
    if events[0].revents & Int16(POLLIN | POLLHUP | POLLERR) != 0 { try readSocket() }
    if events[1].revents != 0 { try readInput() }
  }

  /// Until `deadline`; `nil` where nothing has to happen in time.
  private func remainingMilliseconds() -> Int32? {
    switch connection.state {
    case .open where inputIsOpen || options.count != nil: return nil
    case .remoteClosing, .closed: return nil
    case .open, .connecting, .localClosing, .rejecting:
      return Int32(max(0, ((deadline - .now) / .milliseconds(1)).rounded(.up)))
    }
  }

  private mutating func timeIsUp() throws {
    if connection.state != .open { throw ClientFailure(description: "the server does not answer") }
    try sendClose()
  }

  private mutating func sendClose() throws {
    deadline = .now + .seconds(options.timeout)
    try connection.send(options.close, into: &output)
  }

  private mutating func writeOutput() throws(SocketError) {
    guard written < output.count else { return }
    written += try socket.writeSome(output[written...]) ?? 0
    if written == output.count {
      output.removeAll(keepingCapacity: true)
      written = 0
    }
  }

  /// The rest, with blocking calls.
  private mutating func flush() throws(SocketError) {
    socket.setBlocking(true)
    while !output.isEmpty { try writeOutput() }
  }

  private mutating func readSocket() throws {
    guard let count = try socket.read(into: &buffer) else { return }
    if connection.state == .open, !inputIsOpen { deadline = .now + .seconds(options.linger) }
    do {
      if count == 0 {
        try connection.receiveEndOfStream()
      } else {
        try connection.receiveData(buffer[..<count])
      }
    } catch {
      throw ClientFailure(description: "the handshake failed: \(printable("\(error)"))")
    }
    while let event = connection.nextEvent() {
      printer.show(event)
      try answer(event)
    }
    if let count = options.count, received >= count, connection.state == .open { try sendClose() }
  }

  private mutating func answer(_ event: Event) throws {
    switch event {
    case .ping(let ping):
      try connection.send(ping.response(), into: &output)
    case .closeConnection(let close):
      self.close = close
      if connection.state == .remoteClosing { try connection.send(close.response(), into: &output) }
    case .rejectConnection(let reject):
      refusal = reject.statusCode
    case .rejectData(let data):
      refusalBody += data.data.prefix(max(0, 200 - refusalBody.count))
    case .textMessage, .bytesMessage:
      received += 1
    case .request, .acceptConnection, .pong:
      break
    }
  }

  // MARK: Input

  private mutating func readInput() throws {
    let count = buffer.withUnsafeMutableBytes { read(0, $0.baseAddress, $0.count) }
    if count < 0 {
      if errno == EINTR || errno == EAGAIN { return }
      throw SocketError("cannot read standard input", errno: errno)
    }
    if count == 0 {
      inputIsOpen = false
      if !line.isEmpty { try sendLine() }
      deadline = .now + .seconds(options.linger)
      return
    }
    var rest = buffer[..<count]
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      line += rest[..<end]
      try sendLine()
      rest = rest[(end + 1)...]
    }
    line += rest
  }

  private mutating func sendLine() throws {
    defer { line.removeAll(keepingCapacity: true) }
    let isText = !options.binary
    if isText, String(validating: line, as: UTF8.self) == nil {
      throw ClientFailure(description: "the input is not UTF-8: use --binary")
    }
    var position = 0
    repeat {
      var end = min(line.count, position + (options.fragment ?? line.count))
      // A part of a text ends where a character does (its bytes 10xxxxxx go on one).
      while isText, end < line.count, line[end] & 0xC0 == 0x80 { end += 1 }
      let part = line[position..<end]
      let isLast = end == line.count
      if isText {
        let text = String(decoding: part, as: UTF8.self)
        try connection.send(TextMessage(data: text, messageFinished: isLast), into: &output)
      } else {
        try connection.send(BytesMessage(data: Bytes(part), messageFinished: isLast), into: &output)
      }
      position = end
    } while position < line.count
  }
}
#endif
