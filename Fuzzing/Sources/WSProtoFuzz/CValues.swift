// SPDX-License-Identifier: Apache-2.0

import CWSProto

// What goes into the C interface, and what comes out of it.

/// Reads every byte, for the sanitizer. (Not by copying to an array that nobody uses: the optimiser frees that first.)
func touch(_ data: UnsafePointer<UInt8>?, _ count: Int) {
  var sum: UInt8 = 0
  for byte in UnsafeBufferPointer(start: data, count: count) { sum ^= byte }
  // Nothing that the optimiser could see through.
  if sum == 1, count > 1 << 40 { fatalError("no such memory") }
}

func touch(_ bytes: wsproto_bytes) { touch(bytes.data, bytes.count) }

func read(_ bytes: wsproto_bytes) -> [UInt8] {
  Array(UnsafeBufferPointer(start: bytes.data, count: bytes.count))
}

func read(_ fields: UnsafePointer<wsproto_field>?, _ count: Int) {
  for field in UnsafeBufferPointer(start: fields, count: count) {
    touch(field.name.data, field.name.count)
    touch(field.value.data, field.value.count)
  }
}

func read(_ head: wsproto_head) { read(head.fields, head.field_count) }

func read(_ event: wsproto_event) {
  guard Int32(WSPROTO_REQUEST)...Int32(WSPROTO_PONG) ~= event.kind else { fatalError("no kind of event") }
  for bytes in [event.data, event.host, event.target, event.subprotocol] { touch(bytes.data, bytes.count) }
  for bytes in UnsafeBufferPointer(start: event.subprotocols, count: event.subprotocol_count) {
    touch(bytes.data, bytes.count)
  }
  read(event.fields, event.field_count)
  for one in UnsafeBufferPointer(start: event.extensions, count: event.extension_count) {
    if let one { touch(wsproto_extension_name(one)) }
  }
}

/// An event of any kind, its texts from an input.
enum CEvent {
  private static let fields = [
    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/"),
    (":authority", "a"),
    (":status", "200"), ("sec-websocket-version", "13"), ("sec-websocket-extensions", "permessage-deflate"),
    ("sec-websocket-protocol", "chat"), ("Host", "a"), ("Upgrade", "websocket"), ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Sec-WebSocket-Version", "13"), ("x", "y"), ("", ""),
    ("a b", "c"), ("x", "a\r\nb"), ("Content-Length", "3"), ("Transfer-Encoding", "chunked"),
  ]

  static func with(
    _ input: inout Input,
    kind: Int32,
    _ payload: [UInt8],
    _ flags: UInt8,
    _ extensions: [OpaquePointer?],
    _ body: (wsproto_event) -> Void
  ) {
    // Blocks of their own, so that the sanitizer sees their ends.
    var blocks: [UnsafeMutableRawBufferPointer] = []
    defer { for block in blocks { block.deallocate() } }
    func bytes(_ text: [UInt8]) -> wsproto_bytes {
      let block = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count, alignment: 1)
      block.copyBytes(from: text)
      blocks.append(block)
      return wsproto_bytes(
        data: UnsafePointer(block.assumingMemoryBound(to: UInt8.self).baseAddress),
        count: text.count
      )
    }
    var chosen: [wsproto_field] = []
    if flags & 1 != 0 {
      // All of an upgrade, or of an extended CONNECT.
      for (name, value) in flags & 2 == 0 ? fields[0..<9] : fields[9..<14] {
        chosen.append(wsproto_field(name: bytes(Array(name.utf8)), value: bytes(Array(value.utf8))))
      }
    }
    for _ in 0..<input.below(4) {
      let (name, value) = input.pick(fields)
      chosen.append(wsproto_field(name: bytes(Array(name.utf8)), value: bytes(Array(value.utf8))))
    }
    var event = wsproto_event()
    event.kind = kind
    event.message_finished = flags & 4 == 0
    event.frame_finished = true
    event.uncompressed = flags & 8 != 0
    event.has_body = flags & 16 != 0
    let codes: [Int32] = [1000, 0, 403, 426, 1005, 1006, 4999, 70000, -1, 101, 200, 1015]
    event.code = input.pick(codes)
    if kind != 7 || flags & 32 == 0 { event.data = bytes(payload) }
    event.host = bytes(flags & 64 == 0 ? [0x61] : payload)
    event.target = bytes(flags & 128 == 0 ? [0x2F] : payload)
    let subprotocol = bytes(Array("chat".utf8))
    if kind == 2, flags & 32 != 0 { event.subprotocol = subprotocol }
    let subprotocols = [wsproto_bytes](repeating: subprotocol, count: Int(flags >> 6))
    let used = Array(extensions.prefix(input.below(4)))
    chosen.withUnsafeBufferPointer { fields in
      subprotocols.withUnsafeBufferPointer { subprotocols in
        used.withUnsafeBufferPointer { used in
          event.fields = fields.baseAddress
          event.field_count = fields.count
          event.subprotocols = subprotocols.baseAddress
          event.subprotocol_count = subprotocols.count
          event.extensions = used.baseAddress
          event.extension_count = used.count
          body(event)
        }
      }
    }
  }
}

/// The callbacks of an extension in C, and what they do. Lives as long as the script.
final class CCallbacks {
  private let behaviour: UInt8
  private let refused: UInt8
  /// What the callbacks try to use.
  var endpoint: OpaquePointer?
  var releases = 0

  init(_ input: inout Input) {
    behaviour = input.byte()
    refused = input.byte()
  }

  func make(_ name: String) -> OpaquePointer? {
    var table = wsproto_extension_callbacks()
    table.context = Unmanaged.passUnretained(self).toOpaque()
    table.release = { CCallbacks.at($0).releases += 1 }
    table.enabled = { CCallbacks.at($0).behaviour & 1 == 0 }
    if behaviour & 2 == 0 {
      table.offer = { context, output in CCallbacks.at(context).write("a=1", output) }
      table.accept = { context, offer, count, output in
        touch(offer, count)
        return CCallbacks.at(context).write("a=\"1\"", output)
      }
    }
    if behaviour & 4 == 0 {
      table.frame_inbound_header = { context, _, _, rsv, length in
        rsv?.pointee = CCallbacks.at(context).behaviour >> 5
        return CCallbacks.at(context).intrude(Int(clamping: length))
      }
      table.frame_inbound_payload_data = { context, _, data, count, output in
        wsproto_output_append(output, data, count)
        return CCallbacks.at(context).intrude(count)
      }
    }
    if behaviour & 8 == 0 {
      table.finalize = { context, accepted, count, message in
        touch(accepted, count)
        return CCallbacks.at(context).intrude(count) == 0 || !CCallbacks.at(context).write("no", message)
      }
      table.frame_inbound_complete = { context, _, fin, output in
        fin ? CCallbacks.at(context).intrude(CCallbacks.at(context).write("!", output) ? 1 : 0) : 0
      }
    }
    if behaviour & 16 == 0 {
      table.frame_outbound = { context, _, _, rsv, data, count, _, output in
        rsv?.pointee |= CCallbacks.at(context).behaviour >> 5
        wsproto_output_append(output, data, count)
        return CCallbacks.at(context).intrude(count)
      }
    }
    let text = Array(name.utf8)
    return text.withUnsafeBufferPointer {
      wsproto_callback_extension_new(wsproto_bytes(data: $0.baseAddress, count: $0.count), &table)
    }
  }

  private static func at(_ context: UnsafeMutableRawPointer?) -> CCallbacks {
    guard let context else { fatalError("no context") }
    return Unmanaged<CCallbacks>.fromOpaque(context).takeUnretainedValue()
  }

  private func write(_ text: String, _ output: OpaquePointer?) -> Bool {
    let bytes = Array(text.utf8)
    bytes.withUnsafeBufferPointer { wsproto_output_append(output, $0.baseAddress, $0.count) }
    return refused & 1 == 0
  }

  /// Uses the endpoint, which must either be refused or, where another endpoint has called, be as legal as ever; then the
  /// code to refuse with, or 0.
  private func intrude(_ count: Int) -> Int32 {
    if let endpoint {
      var error: OpaquePointer?
      if !wsproto_endpoint_receive(endpoint, nil, 0, &error), error == nil { fatalError("no error") }
      wsproto_error_free(error)
      _ = wsproto_endpoint_state(endpoint)
      _ = wsproto_endpoint_waiting_reply_bytes(endpoint)
    }
    return count == Int(refused) ? Int32(refused) * 40 : 0
  }
}
