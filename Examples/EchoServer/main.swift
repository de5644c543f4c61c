// SPDX-License-Identifier: Apache-2.0

// An echo server on plain sockets, one connection after the other: EchoServer [port]
// It takes the borrowing path: messages are answered from where they lie in the buffer that was read into.

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

func serve(_ socket: Int32) {
  let connection = WSConnection(.server)
  var input = [UInt8](repeating: 0, count: 64 << 10)
  var output: [UInt8] = []
  while connection.state != .closed {
    let count = recv(socket, &input, input.count, 0)
    guard count > 0 else { return }
    output.removeAll(keepingCapacity: true)
    do {
      try connection.receive(&input, count: count) { event throws(LocalProtocolError) in
        switch event {
        case .handshake(.request(let request)):
          let accept = AcceptConnection(
            subprotocol: request.subprotocols.first,
            extensions: [PerMessageDeflate()]
          )
          try connection.send(accept, into: &output)
        case .handshakeFailed(let error):
          if let answer = error.eventHint { try connection.send(answer, into: &output) }
        case .textMessage(let part):
          try connection.sendText(part.data, messageFinished: part.messageFinished, into: &output)
        case .bytesMessage(let part):
          try connection.sendBytes(part.data, messageFinished: part.messageFinished, into: &output)
        case .ping(let payload):
          try connection.sendPong(payload, into: &output)
        case .closeConnection(let code, _):
          if connection.state == .remoteClosing {
            try connection.send(CloseConnection(code: code), into: &output)
          }
        case .pong, .handshake: break
        }
      }
    } catch {
      print("cannot answer: \(error)")
      return
    }
    guard send(socket, output, output.count, 0) == output.count else { return }
  }
}

signal(SIGPIPE, SIG_IGN)
var address = sockaddr_in()
address.sin_family = sa_family_t(AF_INET)
address.sin_port = (CommandLine.arguments.dropFirst().first.flatMap { UInt16($0) } ?? 9001).bigEndian
address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
let listener = socket(AF_INET, stream, 0)
var on: Int32 = 1
setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, 4)
let bound = withUnsafeBytes(of: &address) {
  bind(listener, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
}
guard bound == 0, listen(listener, 16) == 0 else { fatalError("cannot listen") }
while case let accepted = accept(listener, nil, nil), accepted >= 0 {
  serve(accepted)
  shutdown(accepted, Int32(SHUT_WR))
  close(accepted)
}
