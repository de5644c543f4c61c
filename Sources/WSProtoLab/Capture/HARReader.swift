// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Reads the WebSocket messages that a browser exports in a HAR (HTTP Archive 1.2, `_webSocketMessages`). A HAR has
/// messages, not frames.
struct HARReader {
  /// A message of a browser's.
  struct Message {
    var isFromClient = true
    var time: CaptureTime?
    var opcode: Int?
    var data: [UInt8] = []
    var size = 0
    /// Where the message ends in the file.
    var offset = 0
  }

  /// What the file holds.
  enum Item {
    /// An entry with messages begins.
    case entry(url: String?)
    /// The fields of its request, without a value if there are none.
    case request(HARHead)
    case response(HARHead)
    case message(Message)
    case entryEnd
  }

  private enum Place {
    case document, log, entries, entry, request, response, messages, message, elsewhere
    case requestFields, requestField, responseFields, responseField, cookies, cookie
  }

  private var tokenizer: JSONTokenizer
  private var places: [Place] = []
  private var name = ""
  private var line = 1
  private var message = Message()
  private var url: String?
  private var request = HARHead()
  private var response = HARHead()
  /// The field or cookie that is being read.
  private var field = HARHead.Field()
  /// Messages that came before their entry's URL; browsers write them in that order.
  private var held: [Message] = []
  private var heldBytes = 0
  private var isOpen = false

  /// How much waits for an entry's URL.
  private static let maxHeldBytes = 1 << 20

  /// - Parameter maxMessageBytes: how much of each message is kept.
  init(maxMessageBytes: Int) {
    // Base64 has four characters for three bytes.
    tokenizer = JSONTokenizer(maxStringBytes: max(4096, maxMessageBytes / 3 * 4 + 4))
  }

  /// Whether a file begins like this one: it is a JSON object.
  static func recognizes(_ start: ArraySlice<UInt8>) -> Bool {
    start.drop {
      $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 || $0 == 0xEF || $0 == 0xBB || $0 == 0xBF
    }
    .first == UInt8(ascii: "{")
  }

  /// Reads what waits in `queue`.
  mutating func read(_ queue: inout ByteQueue, _ each: (Item) -> Void) throws(CaptureError) {
    let bytes = queue.waiting
    defer { queue.skip(bytes.count) }
    let start = queue.offset
    for (index, byte) in bytes.enumerated() {
      // A byte order mark.
      if start + index < 3, byte >= 0xBB { continue }
      let tokens: [JSONTokenizer.Token]
      do throws(JSONSyntaxError) {
        tokens = try tokenizer.tokens(completedBy: byte)
      } catch {
        throw CaptureError(at: start + index, line: line, "not JSON: \(error.message)")
      }
      if byte == 0x0A { line += 1 }
      for token in tokens { take(token, at: start + index, each) }
    }
  }

  /// The file has ended.
  mutating func finish(_ each: (Item) -> Void) throws(CaptureError) {
    do throws(JSONSyntaxError) {
      try tokenizer.finish { _ in }
    } catch {
      if isOpen || !held.isEmpty { endEntry(each) }
      throw CaptureError(at: tokenizer.offset, line: line, "not JSON: \(error.message)")
    }
  }

  private mutating func take(_ token: JSONTokenizer.Token, at offset: Int, _ each: (Item) -> Void) {
    switch token {
    case .name(let name): self.name = name
    case .beginObject, .beginArray:
      let place = inner(isObject: token == .beginObject)
      places.append(place)
      if place == .entry {
        url = nil
        request = HARHead()
        response = HARHead()
      } else if place == .requestField || place == .responseField || place == .cookie {
        field = HARHead.Field()
      } else if place == .message {
        message = Message()
      }
      name = ""
    case .endObject, .endArray:
      switch places.popLast() {
      case .message:
        message.offset = offset
        keep(each)
      case .requestField: request.add(field)
      case .responseField: response.add(field)
      case .cookie: request.add(cookie: field)
      case .entry: endEntry(each)
      default: break
      }
    case .string(let text, let size): takeString(text, size)
    case .number(let number):
      switch (places.last, name) {
      case (.message, "opcode"): message.opcode = Int(number)
      case (.message, "time"): message.time = Self.time(number)
      case (.response, "status"): response.status = Int(number)
      default: break
      }
    case .bool, .null: break
    }
  }

  private mutating func takeString(_ text: [UInt8], _ size: Int) {
    switch (places.last, name) {
    case (.message, "data"):
      message.data = text
      message.size = size
    case (.message, "type"): message.isFromClient = text.elementsEqual("send".utf8)
    case (.request, "url"): url = String(decoding: text.prefix(2048), as: UTF8.self)
    case (.requestField, "name"), (.responseField, "name"), (.cookie, "name"): field.name = text
    case (.requestField, "value"), (.responseField, "value"), (.cookie, "value"):
      field.value = text
      field.isCut = text.count < size
    default: break
    }
  }

  private func inner(isObject: Bool) -> Place {
    switch (places.last, name, isObject) {
    case (nil, _, true): .document
    case (.document, "log", true): .log
    case (.log, "entries", false): .entries
    case (.entries, _, true): .entry
    case (.entry, "request", true): .request
    case (.entry, "response", true): .response
    case (.entry, "_webSocketMessages", false): .messages
    case (.messages, _, true): .message
    case (.request, "headers", false): .requestFields
    case (.requestFields, _, true): .requestField
    case (.response, "headers", false): .responseFields
    case (.responseFields, _, true): .responseField
    case (.request, "cookies", false): .cookies
    case (.cookies, _, true): .cookie
    default: .elsewhere
    }
  }

  /// Seconds with a fraction, without the rounding of a floating-point number.
  private static func time(_ number: String) -> CaptureTime? {
    let parts = number.split(separator: ".", maxSplits: 1)
    guard let whole = parts.first.flatMap({ Int64($0) }), abs(whole) < 1 << 33 else { return nil }
    let digits = parts.count > 1 ? parts[1].prefix(9) : ""
    guard let fraction = digits.isEmpty ? 0 : Int64(digits) else { return nil }
    let scale = (digits.count..<9).reduce(Int64(1)) { scale, _ in scale * 10 }
    return CaptureTime(nanoseconds: whole * 1_000_000_000 + fraction * scale)
  }

  private mutating func keep(_ each: (Item) -> Void) {
    if isOpen { return each(.message(message)) }
    held.append(message)
    heldBytes += message.data.count + MemoryLayout<Message>.stride
    if url != nil || heldBytes > Self.maxHeldBytes { open(each) }
  }

  private mutating func open(_ each: (Item) -> Void) {
    each(.entry(url: url))
    isOpen = true
    giveHeads(each)
    for message in held { each(.message(message)) }
    held = []
    heldBytes = 0
  }

  private mutating func endEntry(_ each: (Item) -> Void) {
    if !isOpen, held.isEmpty { return }
    if !isOpen { open(each) }
    // What came after many messages.
    giveHeads(each)
    each(.entryEnd)
    isOpen = false
  }

  private mutating func giveHeads(_ each: (Item) -> Void) {
    if let head = request.take() { each(.request(head)) }
    if let head = response.take() { each(.response(head)) }
  }
}
