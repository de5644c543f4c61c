// SPDX-License-Identifier: Apache-2.0

import CWSProto
import HTTPTypes
import WSProto

// Swift → C.
extension Event {
  /// The C form, in the memory of `arena`; `box` returns the C object of an extension.
  func c(in arena: Arena, _ box: (any Extension) -> ExtensionBox) -> wsproto_event {
    var event = wsproto_event()
    func extensions(_ extensions: [any Extension]) {
      let pointers: [OpaquePointer?] = extensions.map { arena.pointer(to: box($0)) }
      event.extensions = arena.array(pointers)
      event.extension_count = pointers.count
    }
    func fields(_ headers: Headers) {
      let fields = headers.map { field in
        wsproto_field(
          name: arena.copy(field.name.rawName),
          value: field.withUnsafeBytesOfValue { arena.copy(UnsafeRawBufferPointer($0)) }
        )
      }
      event.fields = arena.array(fields)
      event.field_count = fields.count
    }
    switch self {
    case .request(let request):
      event.kind = Int32(WSPROTO_REQUEST)
      event.host = arena.copy(request.host)
      event.target = arena.copy(request.target)
      event.subprotocols = arena.array(request.subprotocols.map { arena.copy($0) })
      event.subprotocol_count = request.subprotocols.count
      extensions(request.extensions)
      fields(request.extraHeaders)
    case .acceptConnection(let accept):
      event.kind = Int32(WSPROTO_ACCEPT_CONNECTION)
      if let subprotocol = accept.subprotocol { event.subprotocol = arena.copy(subprotocol) }
      extensions(accept.extensions)
      fields(accept.extraHeaders)
    case .rejectConnection(let reject):
      event.kind = Int32(WSPROTO_REJECT_CONNECTION)
      event.code = Int32(clamping: reject.statusCode)
      event.has_body = reject.hasBody
      fields(reject.headers)
    case .rejectData(let data):
      event.kind = Int32(WSPROTO_REJECT_DATA)
      event.data = arena.copy(data.data)
      event.message_finished = data.bodyFinished
    case .textMessage(let message):
      event.kind = Int32(WSPROTO_TEXT_MESSAGE)
      event.data = arena.copy(message.data)
      event.frame_finished = message.frameFinished
      event.message_finished = message.messageFinished
    case .bytesMessage(let message):
      event.kind = Int32(WSPROTO_BYTES_MESSAGE)
      event.data = arena.copy(message.data)
      event.frame_finished = message.frameFinished
      event.message_finished = message.messageFinished
    case .closeConnection(let close):
      event.kind = Int32(WSPROTO_CLOSE_CONNECTION)
      event.code = Int32(close.code.rawValue)
      if let reason = close.reason { event.data = arena.copy(reason) }
    case .ping(let ping):
      event.kind = Int32(WSPROTO_PING)
      event.data = arena.copy(ping.payload)
    case .pong(let pong):
      event.kind = Int32(WSPROTO_PONG)
      event.data = arena.copy(pong.payload)
    }
    return event
  }
}

// C → Swift.
extension wsproto_event {
  /// The extensions as C objects.
  var boxes: [ExtensionBox] { extensionBoxes(extensions, extension_count) }

  func swift() throws(LocalProtocolError) -> Event {
    switch Int(kind) {
    case WSPROTO_REQUEST:
      return .request(
        Request(
          host: host.text,
          target: target.text,
          extensions: boxes.map(\.value),
          extraHeaders: try headers(fields, field_count),
          subprotocols: elements(subprotocols, subprotocol_count).map(\.text)
        )
      )
    case WSPROTO_ACCEPT_CONNECTION:
      return .acceptConnection(
        AcceptConnection(
          subprotocol: subprotocol.optionalText,
          extensions: boxes.map(\.value),
          extraHeaders: try headers(fields, field_count)
        )
      )
    case WSPROTO_REJECT_CONNECTION:
      return .rejectConnection(
        RejectConnection(
          statusCode: Int(code),
          headers: try headers(fields, field_count),
          hasBody: has_body
        )
      )
    case WSPROTO_REJECT_DATA:
      return .rejectData(RejectData(data: Bytes(copying: data.raw), bodyFinished: message_finished))
    case WSPROTO_TEXT_MESSAGE:
      return .textMessage(
        TextMessage(data: data.text, messageFinished: message_finished, compress: !uncompressed)
      )
    case WSPROTO_BYTES_MESSAGE:
      return .bytesMessage(
        BytesMessage(
          data: Bytes(copying: data.raw),
          messageFinished: message_finished,
          compress: !uncompressed
        )
      )
    case WSPROTO_CLOSE_CONNECTION:
      return .closeConnection(CloseConnection(code: try closeReason(code), reason: data.optionalText))
    case WSPROTO_PING: return .ping(Ping(payload: Bytes(copying: data.raw)))
    case WSPROTO_PONG: return .pong(Pong(payload: Bytes(copying: data.raw)))
    default: throw LocalProtocolError("\(kind) is no kind of event", .head)
    }
  }
}

/// Any number that fits a Close frame.
func closeReason(_ code: Int32) throws(LocalProtocolError) -> CloseReason {
  guard let number = UInt16(exactly: code) else {
    throw LocalProtocolError("\(code) is not a legal close code", .closeCode)
  }
  return CloseReason(number)
}

func headers(
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int
) throws(LocalProtocolError) -> Headers {
  var headers = Headers()
  for field in elements(fields, count) {
    guard let name = HTTPField.Name(field.name.text) else {
      throw LocalProtocolError("\(field.name.text.debugDescription) is no field name (RFC 9110 §5.1)", .head)
    }
    // It would silently be replaced by spaces.
    guard HTTPField.isValidValue(field.value.raw) else {
      throw LocalProtocolError("the value of \(name) is not legal (RFC 9110 §5.5)", .head)
    }
    headers.append(HTTPField(name: name, value: field.value.raw))
  }
  return headers
}

func extensionBoxes(_ pointers: UnsafePointer<OpaquePointer?>?, _ count: Int) -> [ExtensionBox] {
  elements(pointers, count).compactMap {
    $0.map { object($0, as: ExtensionBox.self) }
  }
}
