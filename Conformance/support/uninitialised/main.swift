// SPDX-License-Identifier: Apache-2.0

// Sends by every call there is, and writes what comes of it to standard output, each call's bytes by a write(2) of their
// own. Valgrind finds those that were never written; a line on standard error tells of each call whether it did.
//
// With the argument `plant` payloads are memory that was never written: each call that sends one must then be reported.

import HTTPTypes
import WSProto

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

let plants = CommandLine.arguments.contains("plant")
/// Zeros as they come from the system, which valgrind knows that nobody has written.
let unwritten = UnsafeMutableRawBufferPointer(start: malloc(2 << 20), count: 2 << 20)
/// Where calls write to that are given memory: nobody has written it either.
let room = UnsafeMutableRawBufferPointer(start: malloc(4 << 20), count: 4 << 20)
var calls = 0

func write(_ name: String, _ bytes: UnsafeRawBufferPointer) {
  let before = valgrind_errors()
  var rest = bytes[...]
  while !rest.isEmpty {
    let part = UnsafeRawBufferPointer(rebasing: rest)
    let written = write(1, part.baseAddress, part.count)
    guard written > 0 else { exit(2) }
    rest = rest.dropFirst(written)
  }
  tell(valgrind_errors() == before ? "written: \(name)" : "unwritten: \(name)")
  calls += 1
}

func tell(_ line: String) {
  _ = (line + "\n").utf8.withContiguousStorageIfAvailable { write(2, $0.baseAddress, $0.count) }
}

func array(_ name: String, _ bytes: [UInt8]) { bytes.withUnsafeBytes { write(name + ", to an array", $0) } }

func span(_ name: String, _ send: (inout OutputRawSpan) throws -> Void) rethrows {
  var output = OutputRawSpan(buffer: room, initializedCount: 0)
  try send(&output)
  write(name + ", to a span", UnsafeRawBufferPointer(rebasing: room.prefix(output.byteCount)))
}

/// Calls `body` with so many bytes of payload.
func withPayload(_ count: Int, _ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
  if plants { return try body(UnsafeRawBufferPointer(rebasing: unwritten.prefix(count))) }
  let bytes = [UInt8](unsafeUninitializedCapacity: count) { memory, initialized in
    for index in 0..<count { memory[index] = UInt8(truncatingIfNeeded: 0x20 + index * index % 90) }
    initialized = count
  }
  try bytes.withUnsafeBytes(body)
}

/// Every call of an open end, with payloads about which the masks and the lengths change their ways.
func sendAll(_ name: String, _ end: any WebSocketEndpoint) throws {
  for count in [0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 125, 126, 127, 1000, 65535, 65536, 1 << 20] {
    let what = "payload of \(count), \(name)"
    try withPayload(count) { memory in
      let payload = memory.bytes
      let bytes = Bytes(copying: memory)
      // Zeros, or ASCII.
      let text = UTF8Span(unchecked: memory.bindMemory(to: UInt8.self).span)
      var output: [UInt8] = []
      array("bytes, an event, \(what)", try end.send(BytesMessage(data: bytes)))
      array(
        "bytes, \(what)",
        try {
          try end.sendBytes(payload, into: &output); return output
        }()
      )
      output = []
      array(
        "text, \(what)",
        try {
          try end.sendText(text, into: &output); return output
        }()
      )
      output = []
      try end.sendBytes(payload, messageFinished: false, compress: false, into: &output)
      try end.sendBytes(payload, messageFinished: true, compress: false, into: &output)
      array("bytes in parts, \(what)", output)
      array("a prepared message, \(what)", try end.send(PreparedMessage(bytes: bytes)))
      try span("bytes, an event, \(what)") { try end.send(BytesMessage(data: bytes), into: &$0) }
      try span("bytes, \(what)") {
        try end.sendBytes(payload, messageFinished: true, compress: true, into: &$0)
      }
      try span("text, \(what)") { try end.sendText(text, messageFinished: true, compress: true, into: &$0) }
      try span("a prepared message, \(what)") { try end.send(PreparedMessage(bytes: bytes), into: &$0) }
      guard count <= 125 else { return }
      array("a ping, \(what)", try end.send(Ping(payload: bytes)))
      array("a pong, \(what)", try end.send(Pong(payload: bytes)))
      output = []
      array(
        "a borrowed pong, \(what)",
        try {
          try end.sendPong(payload, into: &output); return output
        }()
      )
      try span("a ping, \(what)") { try end.send(Ping(payload: bytes), into: &$0) }
    }
  }
  array("text, an event, \(name)", try end.send(TextMessage(data: "héllo")))
}

/// Closes with every length of reason, and cuts; replies. Nothing of a payload is in them.
func sendCloses(_ name: String, _ role: ConnectionType) throws {
  let configuration = Configuration(automaticReplies: .all)
  let reasons = [nil, "", "a", "éé", String(repeating: "r", count: 123), String(repeating: "€", count: 100)]
  for reason in reasons {
    for code in reason == nil ? [1000, 1005] : [1000, 4999] as [CloseReason] {
      let close = CloseConnection(code: code, reason: reason)
      let what = "\(code) with \(reason?.utf8.count ?? 0) bytes, \(name)"
      let wire = try Connection(role == .client ? .server : .client).send(close)
      array("a Close, \(what)", try Connection(role).send(close))
      try span("a Close, \(what)") { try Connection(role).send(close, into: &$0) }
      let (one, two) = (
        Connection(role, configuration: configuration), Connection(role, configuration: configuration)
      )
      for end in [one, two] {
        try end.receiveData(wire)
        while end.nextEvent() != nil {}
      }
      array("an automatic Close, \(what)", try one.sendReplies())
      try span("an automatic Close, \(what)") { try two.sendReplies(into: &$0) }
    }
  }
  for garbage in [[0xFF, 0xFF], [0x83, 0x80, 0, 0, 0, 0]] as [[UInt8]] {
    let end = Connection(role, configuration: configuration)
    try end.receiveData(garbage)
    while end.nextEvent() != nil {}
    array("an automatic Close after a violation, \(name)", try end.sendReplies())
  }
  for count in [0, 4, 33, 125] {
    let end = Connection(role, configuration: configuration)
    let peer = Connection(role == .client ? .server : .client)
    func ping() throws {
      try withPayload(count) { try end.receiveData(peer.send(Ping(payload: Bytes(copying: $0)))) }
      while end.nextEvent() != nil {}
    }
    try ping()
    array("an automatic pong, payload of \(count), \(name)", try end.sendReplies())
    try ping()
    try span("an automatic pong, payload of \(count), \(name)") { try end.sendReplies(into: &$0) }
    try ping()
    try span("an automatic pong before a Ping, payload of \(count), \(name)") {
      try end.send(Ping(), into: &$0)
    }
  }
}

/// The heads of handshakes; gives the open ends.
func shakeHands(_ name: String, _ request: Request, _ accept: AcceptConnection) throws -> (
  WSConnection, WSConnection
) {
  let (client, server) = (WSConnection(.client), WSConnection(.server))
  let head = try client.send(request)
  array("a request, \(name)", head)
  try span("a request, \(name)") { try WSConnection(.client).send(request, into: &$0) }
  try server.receiveData(head)
  while server.nextEvent() != nil {}
  let answer = try server.send(accept)
  array("an acceptance, \(name)", answer)
  try client.receiveData(answer)
  while client.nextEvent() != nil {}
  return (client, server)
}

func rejections() throws {
  func server() throws -> WSConnection {
    let server = WSConnection(.server)
    try server.receiveData(WSConnection(.client).send(Request(host: "example.com", target: "/")))
    return server
  }
  array("a rejection", try server().send(RejectConnection(statusCode: 403)))
  try span("a rejection") { try server().send(RejectConnection(statusCode: 404), into: &$0) }
  let chunked = try server()
  array("a rejection with a body", try chunked.send(RejectConnection(statusCode: 500, hasBody: true)))
  try withPayload(1000) {
    array(
      "a rejection's data, payload of 1000",
      try chunked.send(RejectData(data: Bytes(copying: $0), bodyFinished: false))
    )
  }
  array("a rejection's end", try chunked.send(RejectData(data: Bytes(), bodyFinished: true)))
  let refused = WSConnection(.server, configuration: Configuration(automaticReplies: .all))
  try? refused.receiveData("GET / HTTP/1.1\r\n\r\n".utf8)
  array("an automatic rejection", try refused.sendReplies())
}

func lowLevel(_ name: String, client: Bool) throws {
  for count in [0, 5, 16, 125, 126, 1000] {
    let what = "payload of \(count), \(name)"
    try withPayload(count) { memory in
      let payload = memory.bytes
      var encoder = FrameEncoder(client: client)
      var output: [UInt8] = []
      try encoder.encode(.binary, payload: payload, into: &output)
      array("FrameEncoder, \(what)", output)
      try span("FrameEncoder, \(what)") { try encoder.encode(.binary, payload: payload, into: &$0) }
      array("FrameEncoder's header, \(name)", try Array(encoder.header(.text, payloadLength: count)))
      array("FrameProtocol, \(what)", try FrameProtocol(client: client).sendData(Bytes(copying: memory)))
    }
  }
  array("FrameProtocol's close, \(name)", try FrameProtocol(client: client).close(code: 1000, reason: "bye"))
}

try sendAll("server", Connection(.server))
try sendAll("client", Connection(.client))
for role in ConnectionType.allCases { try sendCloses("\(role)", role) }
let plain = Request(host: "example.com", target: "/chat?x=1", subprotocols: ["a", "b"])
_ = try shakeHands("plain", plain, AcceptConnection(subprotocol: "b"))
// What is compressed of unwritten memory is decided by it, and so not for valgrind to follow.
if !plants {
  for (name, deflate) in [
    ("compressed", PerMessageDeflate()),
    (
      "compressed without takeover",
      try PerMessageDeflate(clientNoContextTakeover: true, serverNoContextTakeover: true)
    ),
  ] {
    let request = Request(host: "example.com", target: "/", extensions: [deflate])
    let (client, server) = try shakeHands(name, request, AcceptConnection(extensions: [deflate]))
    try sendAll("server, \(name)", server)
    try sendAll("client, \(name)", client)
  }
}
try rejections()
try lowLevel("server", client: false)
try lowLevel("client", client: true)
tell("\(calls) calls, \(valgrind_errors()) errors")
