// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto

/// Calls of the C interface in any order, on two endpoints that may be joined, the frame classes and extensions.
struct CScript {
  private let endpoints: [OpaquePointer]
  private let roles: [Int32]
  private let protocols: OpaquePointer
  private let decoder: OpaquePointer
  private let messages: OpaquePointer
  private var extensions: [OpaquePointer?] = []
  private let contexts: [CCallbacks]
  private var grammars: [FrameGrammar]

  static func configuration(_ limits: Limits) -> wsproto_configuration {
    var configuration = wsproto_configuration()
    wsproto_configuration_init(&configuration)
    configuration.max_head_bytes = limits.maxHeadBytes
    configuration.max_head_fields = limits.maxHeadFields
    configuration.max_early_bytes = limits.maxEarlyBytes
    configuration.max_frame_payload = limits.maxFramePayload
    configuration.max_message_wire_bytes = limits.maxMessageWireBytes
    configuration.max_message_bytes = limits.maxMessageBytes
    configuration.max_message_fragments = limits.maxMessageFragments
    configuration.max_part_bytes = limits.maxPartBytes
    return configuration
  }

  init(_ input: inout Input) {
    let choice = input.byte()
    var configuration = Self.configuration(Limits(&input))
    configuration.whole_messages = choice & 0x80 != 0
    if choice & 4 != 0 {
      configuration.automatic_pongs = true
      configuration.automatic_closes = true
      configuration.automatic_rejections = true
    }
    if choice & 8 != 0 { configuration.max_untaken_bytes = 24 }
    contexts = (0..<2).map { _ in CCallbacks(&input) }
    for (number, context) in contexts.enumerated() { extensions.append(context.make("x-c-\(number)")) }
    var parameters = wsproto_deflate_parameters()
    parameters.client_no_context_takeover = choice & 0x40 != 0
    extensions.append(wsproto_deflate_new(&parameters, nil))
    let chosen = Array(extensions.suffix(Int(choice >> 4 & 3)))
    func endpoint(_ role: Int32) -> OpaquePointer? {
      switch choice & 3 {
      case 0, 1: wsproto_connection_new(role, &configuration)
      case 2: wsproto_handshake_new(role, &configuration)
      default: wsproto_open_connection_new(role, chosen, chosen.count, wsproto_bytes(), &configuration)
      }
    }
    guard let client = endpoint(Int32(WSPROTO_CLIENT)), let server = endpoint(Int32(WSPROTO_SERVER)) else {
      fatalError("no endpoints")
    }
    endpoints = [client, server]
    roles = [Int32(WSPROTO_CLIENT), Int32(WSPROTO_SERVER)]
    grammars = [FrameGrammar(receiver: .client), FrameGrammar(receiver: .server)]
    protocols = wsproto_frame_protocol_new(roles[1], chosen, chosen.count, &configuration)
    decoder = wsproto_frame_decoder_new(roles[0], chosen, chosen.count, &configuration)
    messages = wsproto_message_decoder_new()
    for context in contexts { context.endpoint = server }
  }

  /// Frees all; each context must have been released once then.
  func free() {
    for context in contexts { context.endpoint = nil }
    for endpoint in endpoints { wsproto_endpoint_free(endpoint) }
    wsproto_frame_protocol_free(protocols)
    wsproto_frame_decoder_free(decoder)
    wsproto_message_decoder_free(messages)
    for one in extensions { wsproto_extension_free(one) }
    for context in contexts where context.releases != 1 {
      disagree("a context was not released once", [("releases", context.releases)])
    }
  }

  // MARK: Steps

  mutating func step(_ input: inout Input) {
    let choice = input.byte()
    let end = Int(choice >> 7)
    switch choice & 15 {
    case 0, 1, 2: send(&input, end, to: choice & 0x40 == 0 ? 1 - end : nil)
    case 3, 4: receive(grammars[end].frame(&input), end)
    case 5: take(end, limit: Int(choice >> 4))
    case 6: receive(head(&input), end)
    case 7: parts(end, input.byte())
    case 8:
      if choice & 0x70 == 0 {
        call { error in wsproto_endpoint_receive_end_of_stream(endpoints[end], error) }
      } else {
        replies(end, to: choice & 0x40 == 0 ? 1 - end : nil)
      }
    case 9: upgrade(&input, end)
    case 10: frames(&input)
    case 11: decode(&input)
    case 12: useExtension(&input)
    case 13: negotiation(&input, client: end == 0)
    case 14: handshakes(&input)
    default: utilities(&input)
    }
    check(endpoints[end])
  }

  private func check(_ endpoint: OpaquePointer) {
    guard 0...5 ~= wsproto_endpoint_state(endpoint), 0...4999 ~= wsproto_endpoint_failure(endpoint) else {
      fatalError("a state, or a failure, that is none")
    }
  }

  /// Runs a call that can fail: an error if and only if it has failed.
  @discardableResult
  private func call(_ body: (UnsafeMutablePointer<OpaquePointer?>) -> Bool) -> Bool {
    var error: OpaquePointer?
    let done = body(&error)
    if done != (error == nil) { fatalError("an error that doesn't fit the result") }
    guard let error else { return done }
    let kind = Int(wsproto_error_kind(error))
    let violation = Int(wsproto_error_violation(error))
    let code = wsproto_error_code(error)
    let isLegal =
      switch kind {
      case WSPROTO_ERROR_LOCAL:
        WSPROTO_VIOLATION_STATE...WSPROTO_VIOLATION_EVENTS_NOT_TAKEN ~= violation && code == 0
      case WSPROTO_ERROR_REMOTE: violation == 0 && code == 0
      case WSPROTO_ERROR_PARSE_FAILED: violation == 0 && code > 0
      default: false
      }
    if !isLegal || read(wsproto_error_message(error)).isEmpty {
      disagree("an error", [("kind", kind), ("violation", violation), ("code", code)])
    }
    // The calls of callbacks are refused, those of the script never.
    if kind == WSPROTO_ERROR_LOCAL, violation == WSPROTO_VIOLATION_REENTRANCE {
      fatalError("not inside of a callback")
    }
    touch(wsproto_error_detail(error))
    if let hint = wsproto_error_event_hint(error) { read(hint.pointee) }
    var head = wsproto_head()
    if wsproto_error_response(error, &head) { read(head) }
    wsproto_error_free(error)
    return done
  }

  private func receive(_ bytes: [UInt8], _ end: Int) {
    withExactCopy(of: bytes) { chunk in
      let start = chunk.assumingMemoryBound(to: UInt8.self).baseAddress
      _ = call { error in wsproto_endpoint_receive(endpoints[end], start, chunk.count, error) }
    }
  }

  /// Sends the automatic replies, and hands them to the other end.
  private func replies(_ end: Int, to other: Int?) {
    let waiting = wsproto_endpoint_waiting_reply_bytes(endpoints[end])
    var output = wsproto_bytes()
    guard call({ error in wsproto_endpoint_send_replies(endpoints[end], &output, error) }) else { return }
    let bytes = read(output)
    if bytes.count > waiting || bytes.isEmpty != (waiting == 0) {
      disagree("the size of the replies", [("bytes", bytes), ("waiting", waiting)])
    }
    if let other { receive(bytes, other) }
  }

  private func take(_ end: Int, limit: Int) {
    for _ in 0...limit {
      guard let event = wsproto_endpoint_next_event(endpoints[end]) else { return }
      read(event.pointee)
      guard limit & 1 == 0 else { continue }
      // An event may be sent on by the object that it came from.
      var output = wsproto_bytes()
      if call({ error in wsproto_endpoint_send(endpoints[end], event, &output, error) }) { touch(output) }
    }
  }

  /// A handshake's head, or the beginning of one, or what isn't one.
  private func head(_ input: inout Input) -> [UInt8] {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    let heads = [
      "GET / HTTP/1.1\r\nHost: a\r\n\(upgrade)Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\(upgrade)Sec-WebSocket-Version: 8\r\n\r\n",
      "HTTP/1.1 404 No\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 403 No\r\n\r\nuntil the end", "\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\n\(upgrade)\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
    ]
    let bytes = Array(input.pick(heads).utf8)
    return Array(bytes.prefix(max(1, bytes.count - input.below(4))))
  }

  /// Sends an event, and hands what that gives to the other end.
  private mutating func send(_ input: inout Input, _ end: Int, to other: Int?) {
    let kind = input.byte()
    let payload = grammars[end].payload(&input, kind >> 4)
    let flags = input.byte()
    var sent: [UInt8]?
    let extensions = extensions
    CEvent.with(&input, kind: Int32(kind & 15), payload, flags, extensions) { event in
      var event = event
      var output = wsproto_bytes()
      if call({ error in wsproto_endpoint_send(endpoints[end], &event, &output, error) }) {
        sent = read(output)
      }
    }
    if let sent, let other { receive(sent, other) }
  }

  private func parts(_ end: Int, _ choice: UInt8) {
    let handshake = wsproto_endpoint_handshake(endpoints[end])
    let connection = wsproto_endpoint_connection(endpoints[end])
    for one in [handshake, connection] {
      guard let one else { continue }
      check(one)
      if choice & 1 != 0, let event = wsproto_endpoint_next_event(one) { read(event.pointee) }
      if choice & 2 != 0 {
        var event = wsproto_event()
        event.kind = Int32(WSPROTO_PING)
        var output = wsproto_bytes()
        if call({ error in wsproto_endpoint_send(one, &event, &output, error) }) { touch(output) }
      }
    }
    wsproto_endpoint_free(handshake)
    wsproto_endpoint_free(connection)
  }

  private func upgrade(_ input: inout Input, _ end: Int) {
    CEvent.with(&input, kind: 1, [], 0xFF, []) { event in
      _ = call { error in
        wsproto_endpoint_initiate_upgrade(
          endpoints[end],
          event.fields,
          event.field_count,
          event.target,
          error
        )
      }
    }
  }

  private mutating func frames(_ input: inout Input) {
    let choice = input.byte()
    let bytes = grammars[1].frame(&input)
    if choice & 1 == 0 {
      _ = withExactCopy(of: bytes) { chunk in
        wsproto_frame_protocol_receive(
          protocols,
          chunk.assumingMemoryBound(to: UInt8.self).baseAddress,
          chunk.count
        )
      }
      var frame: UnsafePointer<wsproto_frame>?
      for _ in 0..<8 {
        guard call({ error in wsproto_frame_protocol_next_frame(protocols, &frame, error) }),
          let found = frame
        else { break }
        touch(found.pointee.data)
      }
      return
    }
    var output = wsproto_bytes()
    let done = withExactCopy(of: bytes) { chunk in
      let payload = wsproto_bytes(
        data: UnsafePointer(chunk.assumingMemoryBound(to: UInt8.self).baseAddress),
        count: chunk.count
      )
      return call { error in
        choice & 2 == 0
          ? wsproto_frame_protocol_send(protocols, choice >> 4, payload, choice & 4 == 0, &output, error)
          : wsproto_frame_protocol_close(protocols, Int32(choice) * 20 - 100, payload, &output, error)
      }
    }
    if done { touch(output) }
  }

  private mutating func decode(_ input: inout Input) {
    let bytes = grammars[0].frame(&input)
    _ = withExactCopy(of: bytes) { chunk in
      wsproto_frame_decoder_receive(
        decoder,
        chunk.assumingMemoryBound(to: UInt8.self).baseAddress,
        chunk.count
      )
    }
    for _ in 0..<8 {
      var frame: UnsafePointer<wsproto_frame>?
      guard call({ error in wsproto_frame_decoder_next_frame(decoder, &frame, error) }), let found = frame
      else { return }
      touch(found.pointee.data)
      var result: UnsafePointer<wsproto_frame>?
      let done = call { error in wsproto_message_decoder_process(messages, found, &result, error) }
      if done, let result { touch(result.pointee.data) }
      if ![0, 1, 2].contains(wsproto_message_decoder_opcode(messages)) {
        fatalError("a message of another type")
      }
    }
  }

  private func useExtension(_ input: inout Input) {
    guard let one = input.pick(extensions) else { return }
    let choice = input.byte()
    var output = wsproto_bytes()
    var rsv = choice >> 4 & 7
    let text = Array(
      input.pick([
        "permessage-deflate", "x-c-0; a=b", "permessage-deflate; server_max_window_bits=9", ",", "",
      ]).utf8
    )
    text.withUnsafeBufferPointer { text in
      let header = wsproto_bytes(data: text.baseAddress, count: text.count)
      switch choice & 7 {
      case 0: if wsproto_extension_accept(one, header, &output) { touch(output) }
      case 1: call { error in wsproto_extension_finalize(one, header, error) }
      case 2: if wsproto_extension_offer(one, &output) { touch(output) }
      case 3:
        call { error in wsproto_extension_frame_inbound_header(one, roles[0], choice >> 4, &rsv, 5, error) }
      case 4:
        let done = call { error in
          wsproto_extension_frame_inbound_payload_data(one, roles[1], header, &output, error)
        }
        if done { touch(output) }
      case 5:
        let done = call { error in
          wsproto_extension_frame_inbound_complete(one, roles[1], choice & 8 == 0, &output, error)
        }
        if done { touch(output) }
      case 6:
        let opcode = choice >> 4 & 3
        let done = call { error in
          wsproto_extension_frame_outbound(
            one,
            roles[0],
            opcode,
            &rsv,
            header,
            choice & 8 == 0,
            &output,
            error
          )
        }
        if done { touch(output) }
      default:
        touch(wsproto_extension_name(one))
        touch(wsproto_extension_description(one))
        _ = wsproto_extension_enabled(one)
        var parameters = wsproto_deflate_parameters()
        _ = wsproto_deflate_get_parameters(one, &parameters)
      }
    }
  }

  private func negotiation(_ input: inout Input, client: Bool) {
    let extensions = extensions
    CEvent.with(&input, kind: 1, [], 0, extensions) { event in
      var event = event
      var made: OpaquePointer?
      call { error in
        made =
          client
          ? wsproto_client_negotiation_new(&event, true, true, nil, error)
          : wsproto_server_negotiation_new(event.fields, event.field_count, true, nil, error)
        return made != nil
      }
      guard let made else { return }
      defer { wsproto_negotiation_free(made) }
      if client {
        read(wsproto_negotiation_request_head(made))
        var answer: UnsafePointer<wsproto_event>?
        let done = call { error in
          wsproto_negotiation_receive(made, event.fields, event.field_count, &answer, error)
        }
        if done, let answer { read(answer.pointee) }
      } else if let request = wsproto_negotiation_request(made) {
        read(request.pointee)
        var accept = wsproto_event()
        accept.kind = Int32(WSPROTO_ACCEPT_CONNECTION)
        var head = wsproto_head()
        if call({ error in wsproto_negotiation_send(made, &accept, &head, error) }) { read(head) }
      }
      wsproto_endpoint_free(wsproto_negotiation_connection(made))
    }
  }

  private func handshakes(_ input: inout Input) {
    let text = input.bytes(input.below(64))
    let known = Array("permessage-deflate; client_max_window_bits".utf8)
    let value = text.count & 1 == 0 ? known : text
    value.withUnsafeBufferPointer { value in
      let header = wsproto_bytes(data: value.baseAddress, count: value.count)
      var answer = wsproto_bytes()
      if call({ error in
        wsproto_server_extensions_handshake(header, extensions, extensions.count, &answer, error)
      }) {
        touch(answer)
      }
      var inUse = [Int](repeating: 0, count: extensions.count)
      var count = 0
      if call({ error in
        wsproto_client_extensions_handshake(header, extensions, extensions.count, &inUse, &count, error)
      }) {
        for index in inUse.prefix(count) where !extensions.indices.contains(index) {
          fatalError("no such extension")
        }
      }
    }
  }

  private func utilities(_ input: inout Input) {
    var bytes = input.bytes(input.below(100))
    let before = bytes
    let key: [UInt8] = [1, 2, 3, input.byte()]
    wsproto_mask(&bytes, bytes.count, key)
    wsproto_mask(&bytes, bytes.count, key)
    if bytes != before { fatalError("masked twice is not what it was") }
    bytes.withUnsafeBufferPointer { value in
      let text = wsproto_bytes(data: value.baseAddress, count: value.count)
      wsproto_split_comma_header(text, nil) { _, data, count in touch(data, count) }
      var token = [UInt8](repeating: 0, count: 28)
      wsproto_generate_accept_token(text, &token)
    }
  }
}
