// SPDX-License-Identifier: Apache-2.0

import WSProto

@testable import WSProtoLab

/// A peer in memory that has a fault: it looks at nothing that it need not look at, or answers wrongly.
final class FaultyPeer: CheckPipe, @unchecked Sendable {
  // Unchecked: one case uses it, in one task.

  enum Fault: CaseIterable {
    /// Opens any connection, and takes anything for a message.
    case takesAll
    /// Refuses any connection.
    case opensNothing
    /// Opens connections, and says nothing more.
    case isSilent
    /// Opens connections, and closes them at the first frame.
    case closesAtOnce
    /// Echoes with a byte changed.
    case changesBytes
    /// Answers with frames that are masked as they must not be.
    case masksWrongly
    /// Agrees to what was not offered.
    case agreesToAll
    /// Sends each frame twice.
    case repeatsItself
    /// Compresses as if it had a window of 15 bits, and a history, whatever was agreed on.
    case compressesAnyhow
    /// Refuses without the versions that it knows.
    case hidesVersions
    /// Forgets half of the first read of frames.
    case losesBytes
    /// Always asks with the same key.
    case repeatsKey
  }

  private let role: ConnectionType
  private let fault: Fault
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var isOpen = false
  private var isOver = false
  private var isFirst = true
  private var message: [UInt8] = []
  private var opcode: UInt8 = 1
  private var isCompressed = false
  private var deflates = false
  private var deflater: Deflater?
  private var inflater: Inflater?

  init(_ role: ConnectionType, _ fault: Fault) {
    self.role = role
    self.fault = fault
    guard role == .client else { return }
    var settings = CheckSettings()
    settings.subprotocols = ["chat"]
    var head = WireHead.request(settings)
    if fault == .repeatsKey { head.set("Sec-WebSocket-Key", "AAECAwQFBgcICQoLDA0ODw==") }
    head.set("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
    output = head.bytes
  }

  func write(_ bytes: [UInt8]) async throws {
    input += bytes
    if !isOpen { readHead() }
    if isOpen { while readFrame() {} }
  }

  func finish() async throws {
    // Half-closed for ever where it is silent.
    if fault != .isSilent, fault != .takesAll { isOver = true }
  }

  func close() { isOver = true }

  func read(within limit: Duration) async -> CheckReading {
    if !output.isEmpty {
      defer { output = [] }
      return .bytes(output)
    }
    return isOver ? .end : .timedOut
  }

  // MARK: The handshake

  private func readHead() {
    var end = HeadEnd()
    guard let count = end.find(in: input) else { return }
    let head = HandshakeRecord(input.prefix(count))
    input.removeFirst(count)
    if fault == .opensNothing { return isOver = true }
    isOpen = true
    guard role == .server else {
      // What was agreed on by a client that agrees to anything.
      deflates = head.value("Sec-WebSocket-Extensions") != nil
      return
    }
    if fault == .hidesVersions {
      output += Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".utf8)
      return
    }
    var response = CheckPeer.acceptance(of: head)
    let offer = head.value("Sec-WebSocket-Extensions").map { String(decoding: $0, as: UTF8.self) } ?? ""
    if fault == .agreesToAll {
      response.set("Sec-WebSocket-Extensions", offer.isEmpty ? "permessage-deflate" : offer)
      response.set("Sec-WebSocket-Protocol", "chat")
    } else if offer.contains("permessage-deflate") {
      // As it was offered, quotes and all, whatever that is.
      deflates = true
      let first = offer.split(separator: ",").first { $0.contains("permessage-deflate") }
      let parameters = (first ?? "").split(separator: ";").map { $0.filter { $0 != " " && $0 != "\"" } }
        .filter { $0 != "client_max_window_bits" }
      response.set("Sec-WebSocket-Extensions", parameters.joined(separator: "; "))
    }
    output += response.bytes
  }

  // MARK: Frames

  private func readFrame() -> Bool {
    guard input.count >= 2 else { return false }
    if fault == .losesBytes, isFirst {
      isFirst = false
      input.removeFirst(input.count / 2)
    }
    guard let head = FrameHead(input[...]), input.count >= head.size else { return false }
    guard head.payloadLength <= UInt64(input.count - head.size) || head.payloadLength > 1 << 40 else {
      return false
    }
    let count = Int(min(head.payloadLength, UInt64(input.count - head.size)))
    var payload = Array(input[head.size..<head.size + count])
    if let key = head.maskingKey {
      for index in payload.indices {
        payload[index] ^= UInt8(truncatingIfNeeded: key >> UInt32(index % 4 * 8))
      }
    }
    input.removeFirst(head.size + count)
    answer(head, payload)
    return true
  }

  private func answer(_ head: FrameHead, _ payload: [UInt8]) {
    switch fault {
    case .isSilent: return
    case .closesAtOnce:
      send(.close(1002))
      isOver = true
      return
    default: break
    }
    switch head.opcode {
    case 8: send(WireFrame(.close, payload))
    case 9: send(WireFrame(.pong, fault == .changesBytes ? payload.map { $0 ^ 1 } + [1] : payload))
    case 10: send(WireFrame(.pong, payload))
    default: take(head, payload)
    }
  }

  private func take(_ head: FrameHead, _ payload: [UInt8]) {
    if head.opcode != 0 {
      opcode = head.opcode
      message = []
      isCompressed = head.rsv.rsv1 && deflates
    }
    message += payload
    guard head.fin else { return }
    if isCompressed, let inflated = inflate(message) { message = inflated }
    if fault == .changesBytes { message.append(0x21) }
    if fault == .compressesAnyhow, deflates {
      send(WireFrame(opcode: opcode, deflate(message), rsv: 4))
    } else {
      send(WireFrame(opcode: opcode, message))
    }
    message = []
  }

  private func send(_ frame: WireFrame) {
    var frame = frame
    if fault == .masksWrongly { frame.isMasked = role == .server }
    let bytes = frame.bytes(from: role)
    output += bytes
    if fault == .repeatsItself { output += bytes }
  }

  private func deflate(_ bytes: [UInt8]) -> [UInt8] {
    if deflater == nil { deflater = try? Deflater(windowBits: 15) }
    var output = AssemblyBuffer()
    bytes.withUnsafeBytes { try? deflater?.compress($0, finishMessage: true, into: &output) }
    return Array(output.take())
  }

  private func inflate(_ bytes: [UInt8]) -> [UInt8]? {
    if inflater == nil { inflater = try? Inflater(windowBits: 15) }
    var output = AssemblyBuffer()
    bytes.withUnsafeBytes { bytes in
      var rest = bytes
      try? inflater?.inflate(&rest, into: &output, atMost: .max)
    }
    try? inflater?.finishMessage()
    return Array(output.take())
  }
}
