// SPDX-License-Identifier: Apache-2.0

// A client on plain sockets: sends a text, waits for the same text, closes. EchoClient [port] [text]

import WSProto

#if canImport(Glibc)
import Glibc
let stream = Int32(SOCK_STREAM.rawValue)
#elseif canImport(Musl)
import Musl
let stream = SOCK_STREAM
#elseif canImport(Darwin)
import Darwin
let stream = SOCK_STREAM
#endif

func connectToLoopback(_ port: UInt16) -> Int32 {
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_port = port.bigEndian
  address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
  let made = socket(AF_INET, stream, 0)
  let result = withUnsafeBytes(of: &address) {
    connect(made, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
  }
  guard result == 0 else { fatalError("cannot connect to port \(port)") }
  return made
}

func talk(_ transport: Int32, port: UInt16, text: String) throws -> String {
  let connection = WSConnection(.client)
  func write(_ event: some EventConvertible) throws {
    let bytes = try connection.send(event)
    guard send(transport, bytes, bytes.count, 0) == bytes.count else { fatalError("cannot write") }
  }

  try write(Request(host: "127.0.0.1:\(port)", target: "/", extensions: [PerMessageDeflate()]))
  var echo = ""
  var buffer = [UInt8](repeating: 0, count: 64 << 10)
  while connection.state != .closed {
    let count = recv(transport, &buffer, buffer.count, 0)
    if count > 0 { try connection.receiveData(buffer[..<count]) } else { try connection.receiveEndOfStream() }
    for event in connection.events() {
      switch event {
      case .acceptConnection:
        try write(TextMessage(data: text))
      case .textMessage(let message):
        echo += message.data
        guard message.messageFinished, connection.state == .open else { continue }
        try write(CloseConnection(code: .normalClosure))
      case .ping(let ping):
        try write(ping.response())
      case .closeConnection(let close):
        if connection.state == .remoteClosing { try write(close.response()) }
        print("closed with \(close.code)")
      case .rejectConnection(let reject):
        print("refused with \(reject.statusCode)")
      case .bytesMessage, .pong, .rejectData, .request: break
      }
    }
  }
  return echo
}

signal(SIGPIPE, SIG_IGN)
let arguments = CommandLine.arguments
let port = arguments.count > 1 ? UInt16(arguments[1]) ?? 9001 : 9001
let text = arguments.count > 2 ? arguments[2] : "Hello"
let transport = connectToLoopback(port)
let echo = try talk(transport, port: port, text: text)
close(transport)
print(echo)
exit(echo == text ? 0 : 1)
