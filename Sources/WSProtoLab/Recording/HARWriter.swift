// SPDX-License-Identifier: Apache-2.0

import WSProto

/// The parts of a HAR around its entries, which are separated by commas.
package enum HARFile {
  /// The beginning of the file.
  package static let beginning =
    #"{"log":{"version":"1.2","creator":{"name":"wsproto proxy","version":"0.1.0"},"pages":[],"entries":["#
  /// The end of the file.
  package static let end = "]}}\n"
}

/// Creates HAR entries (HTTP Archive 1.2) from observed WebSocket connections, with the messages in `_webSocketMessages`
/// as Chromium exports them. Writes an entry when its connection has ended.
final class HARWriter {
  private struct Entry {
    var began: CaptureTime?
    var last: CaptureTime?
    var request: HandshakeRecord?
    var response: HandshakeRecord?
    /// Messages as JSON.
    var messages: [String] = []
    var size = 0
    var leftOut = 0
  }

  private let url: (String) -> String
  private let write: ([UInt8]) -> Void
  private var entries: [Int: Entry] = [:]
  /// The size of all messages of connections that haven't ended.
  private var waitingBytes = 0

  /// How much of a message is kept.
  static let maxMessageBytes = 4 << 20
  /// The largest ``waitingBytes``. Messages beyond that are counted, but not written.
  private static let maxWaitingBytes = 128 << 20

  private static let noBytes = 0

  /// - Parameters:
  ///   - url: the URL of a request's target.
  ///   - write: called with each entry, as JSON.
  init(url: @escaping (String) -> String, _ write: @escaping ([UInt8]) -> Void) {
    self.url = url
    self.write = write
  }

  func take(_ observation: Observation) {
    let number = observation.connection
    switch observation.content {
    case .request(let head):
      entries[number] = Entry(began: observation.time, last: observation.time, request: head)
    case .response(let head): entries[number]?.response = head
    case .message(let message): add(message, observation)
    case .closed:
      guard let entry = entries.removeValue(forKey: number) else { return }
      waitingBytes -= entry.size
      write(Array(json(entry, number, observation.time).utf8))
    case .opened, .frame, .finding: break
    }
  }

  private func add(_ message: MessageRecord, _ observation: Observation) {
    let number = observation.connection
    guard entries[number] != nil else { return }
    entries[number]?.last = observation.time
    guard waitingBytes + message.content.count <= Self.maxWaitingBytes else {
      entries[number]?.leftOut += 1
      return
    }
    var line = JSONLine()
    line.add("type", observation.direction == .fromClient ? "send" : "receive")
    if let time = observation.time { line.add("time", raw: TimeText.exact(time)) }
    line.add("opcode", message.opcode?.rawValue ?? Opcode.binary.rawValue)
    if message.opcode == .text, let text = String(validating: message.content, as: UTF8.self) {
      line.add("data", text)
    } else {
      line.add("data", Base64Text.encode(message.content))
    }
    if UInt64(message.content.count) < message.size { line.add("_cutFrom", message.size) }
    let text = line.text
    entries[number]?.messages.append(text)
    entries[number]?.size += text.utf8.count
    waitingBytes += text.utf8.count
  }

  // MARK: An entry

  private func json(_ entry: Entry, _ number: Int, _ end: CaptureTime?) -> String {
    var line = JSONLine()
    let began = entry.began ?? CaptureTime(nanoseconds: 0)
    let duration = (end ?? entry.last).map { max(0, $0.since(began)) } ?? 0
    line.add("_connectionId", String(number))
    line.add("_resourceType", "websocket")
    line.add("_webSocketMessages", raw: "[" + entry.messages.joined(separator: ",") + "]")
    if entry.leftOut > 0 {
      line.add("comment", "\(entry.leftOut) messages are left out: too many bytes wait")
    }
    line.add("startedDateTime", UTCText.date(began))
    line.add("time", Double(duration) / 1e6)
    line.add("request", request(entry.request))
    line.add("response", response(entry.response))
    line.add("cache", JSONLine())
    var timings = JSONLine()
    let (unknown, nothing) = (-1, 0)
    for name in ["blocked", "dns", "connect", "ssl"] { timings.add(name, unknown) }
    timings.add("send", nothing)
    timings.add("wait", Double(duration) / 1e6)
    timings.add("receive", nothing)
    line.add("timings", timings)
    return line.text
  }

  private func request(_ head: HandshakeRecord?) -> JSONLine {
    let parts = (head?.startLine ?? []).split(separator: UInt8(ascii: " ")).map {
      String(decoding: $0, as: UTF8.self)
    }
    let path = parts.count > 1 ? parts[1] : "/"
    var line = JSONLine()
    line.add("method", parts.first ?? "GET")
    line.add("url", url(path))
    line.add("httpVersion", "HTTP/1.1")
    line.add("headers", raw: Self.fields(head))
    line.add("queryString", raw: Self.query(path))
    line.add("cookies", raw: "[]")
    line.add("headersSize", Self.size(head))
    line.add("bodySize", Self.noBytes)
    return line
  }

  private func response(_ head: HandshakeRecord?) -> JSONLine {
    let text = (head?.startLine ?? []).split(separator: UInt8(ascii: " "), maxSplits: 2).dropFirst(2).first
    var line = JSONLine()
    line.add("status", head?.status ?? 0)
    line.add("statusText", String(decoding: text ?? [], as: UTF8.self))
    line.add("httpVersion", "HTTP/1.1")
    line.add("headers", raw: Self.fields(head))
    line.add("cookies", raw: "[]")
    var content = JSONLine()
    content.add("size", Self.noBytes)
    content.add("mimeType", "x-unknown")
    line.add("content", content)
    line.add("redirectURL", "")
    line.add("headersSize", Self.size(head))
    line.add("bodySize", Self.noBytes)
    return line
  }

  private static func fields(_ head: HandshakeRecord?) -> String {
    let all = (head?.fields ?? []).map { field in
      let parts = field.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count > 1 ? parts[1].drop { $0 == 0x20 || $0 == 0x09 } : []
      return pair(String(decoding: parts[0], as: UTF8.self), String(decoding: value, as: UTF8.self))
    }
    return "[" + all.joined(separator: ",") + "]"
  }

  private static func query(_ path: String) -> String {
    guard let mark = path.firstIndex(of: "?") else { return "[]" }
    let all = path[path.index(after: mark)...].split(separator: "&").map { part in
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      return pair(String(halves[0]), halves.count > 1 ? String(halves[1]) : "")
    }
    return "[" + all.joined(separator: ",") + "]"
  }

  private static func pair(_ name: String, _ value: String) -> String {
    var line = JSONLine()
    line.add("name", name)
    line.add("value", value)
    return line.text
  }

  /// The size of a head in bytes; -1, as specified for HAR, if it is unknown.
  private static func size(_ head: HandshakeRecord?) -> Int {
    guard let head else { return -1 }
    return ([head.startLine] + head.fields).reduce(2) { $0 + $1.count + 2 }
  }
}
