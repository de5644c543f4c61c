// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import Synchronization
import WSProto

/// `wsproto_extension`: a Swift value as a C object.
final class ExtensionBox {
  private let stored: Mutex<any Extension>
  let arena = Arena()
  /// The opcode of the frame whose header was processed last, for the hooks called after it.
  var opcode = Opcode.continuation

  init(_ value: any Extension) { stored = Mutex(value) }

  /// Read and written under a lock, because endpoints on several threads may use the same extension.
  var value: any Extension {
    get { stored.withLock { $0 } }
    set {
      // Release the old value after the lock: that may run a callback.
      var value = newValue
      stored.withLock { swap(&$0, &value) }
    }
  }

  /// Changes the value without holding the lock or accessing the stored value: `body` may run callbacks, and
  /// these may call the extension again.
  func change<Result, Failure: Error>(
    _ body: (inout any Extension) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var value = value
    defer { self.value = value }
    return try body(&value)
  }
}

private func box(_ pointer: OpaquePointer) -> ExtensionBox { object(pointer, as: ExtensionBox.self) }

/// Parses `name; parameters`; `nil` unless it is exactly one element.
private func header(_ text: wsproto_bytes) -> ExtensionHeader? {
  guard let list = try? ExtensionHeader.parseList(text.text), list.count == 1 else { return nil }
  return list[0]
}

/// The parameters as they appear in a header field.
private func text(_ parameters: [ExtensionParameter]) -> String {
  // Each parameter is preceded by a separator.
  String(ExtensionHeader(name: "", parameters: parameters).description.dropFirst(2))
}

/// `wsproto_deflate_new` of wsproto.h.
@_cdecl("wsproto_deflate_new")
public func deflateNew(
  _ parameters: UnsafePointer<wsproto_deflate_parameters>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> OpaquePointer? {
  let given = parameters.pointee
  var made: OpaquePointer?
  _ = attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    made = retained(
      ExtensionBox(
        try PerMessageDeflate(
          clientNoContextTakeover: given.client_no_context_takeover,
          clientMaxWindowBits: given.clientWindowBits,
          serverNoContextTakeover: given.server_no_context_takeover,
          serverMaxWindowBits: given.server_max_window_bits == 0 ? nil : Int(given.server_max_window_bits)
        )
      )
    )
  }
  return made
}

extension wsproto_deflate_parameters {
  fileprivate var clientWindowBits: PerMessageDeflate.ClientWindowBits {
    switch client_max_window_bits {
    case 0: .unspecified
    case -1: .absent
    case let bits: .bits(Int(bits))
    }
  }
}

/// `wsproto_deflate_get_parameters` of wsproto.h.
@_cdecl("wsproto_deflate_get_parameters")
public func deflateGetParameters(
  _ extension: OpaquePointer,
  _ parameters: UnsafeMutablePointer<wsproto_deflate_parameters>
) -> Bool {
  guard let deflate = box(`extension`).value as? PerMessageDeflate else { return false }
  parameters.pointee = wsproto_deflate_parameters(
    client_no_context_takeover: deflate.clientNoContextTakeover,
    server_no_context_takeover: deflate.serverNoContextTakeover,
    client_max_window_bits: Int32(deflate.clientMaxWindowBits),
    server_max_window_bits: Int32(deflate.serverMaxWindowBits)
  )
  return true
}

/// `wsproto_callback_extension_new` of wsproto.h.
@_cdecl("wsproto_callback_extension_new")
public func callbackExtensionNew(
  _ name: wsproto_bytes,
  _ callbacks: UnsafePointer<wsproto_extension_callbacks>
) -> OpaquePointer {
  let callbacks = Callbacks(name: name.text, table: callbacks.pointee)
  return retained(ExtensionBox(CallbackExtension(callbacks: callbacks)))
}

/// `wsproto_extension_retain` of wsproto.h.
@_cdecl("wsproto_extension_retain")
public func extensionRetain(_ extension: OpaquePointer) -> OpaquePointer { retained(box(`extension`)) }

/// `wsproto_extension_free` of wsproto.h.
@_cdecl("wsproto_extension_free")
public func extensionFree(_ extension: OpaquePointer?) { release(`extension`, as: ExtensionBox.self) }

/// `wsproto_extension_name` of wsproto.h.
@_cdecl("wsproto_extension_name")
public func extensionName(_ extension: OpaquePointer) -> wsproto_bytes {
  let box = box(`extension`)
  box.arena.reset()
  return box.arena.copy(box.value.name)
}

/// `wsproto_extension_description` of wsproto.h.
@_cdecl("wsproto_extension_description")
public func extensionDescription(_ extension: OpaquePointer) -> wsproto_bytes {
  let box = box(`extension`)
  box.arena.reset()
  return box.arena.copy(
    ExtensionHeader(name: box.value.name, parameters: box.value.offer() ?? []).description
  )
}

/// `wsproto_extension_enabled` of wsproto.h.
@_cdecl("wsproto_extension_enabled")
public func extensionEnabled(_ extension: OpaquePointer) -> Bool { box(`extension`).value.enabled() }

/// `wsproto_extension_offer` of wsproto.h.
@_cdecl("wsproto_extension_offer")
public func extensionOffer(
  _ extension: OpaquePointer,
  _ parameters: UnsafeMutablePointer<wsproto_bytes>
) -> Bool {
  let box = box(`extension`)
  guard let offer = box.value.offer() else { return false }
  box.arena.reset()
  parameters.pointee = box.arena.copy(text(offer))
  return true
}

/// `wsproto_extension_accept` of wsproto.h.
@_cdecl("wsproto_extension_accept")
public func extensionAccept(
  _ extension: OpaquePointer,
  _ offer: wsproto_bytes,
  _ parameters: UnsafeMutablePointer<wsproto_bytes>
) -> Bool {
  let box = box(`extension`)
  guard let offer = header(offer), let answer = box.change({ $0.accept(offer) }) else { return false }
  box.arena.reset()
  parameters.pointee = box.arena.copy(text(answer))
  return true
}

/// `wsproto_extension_finalize` of wsproto.h.
@_cdecl("wsproto_extension_finalize")
public func extensionFinalize(
  _ extension: OpaquePointer,
  _ accepted: wsproto_bytes,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: RemoteProtocolError) in ErrorBox(failure) }) {
    () throws(RemoteProtocolError) in
    guard let answer = header(accepted) else {
      throw RemoteProtocolError("Bad header, 'Sec-WebSocket-Extensions'", detail: "RFC 6455 §9.1")
    }
    do throws(NegotiationError) {
      try box(`extension`).change { (one) throws(NegotiationError) in try one.finalize(answer) }
    } catch {
      throw RemoteProtocolError(error)
    }
  }
}

/// `wsproto_extension_frame_inbound_header` of wsproto.h.
@_cdecl("wsproto_extension_frame_inbound_header")
public func extensionFrameInboundHeader(
  _ extension: OpaquePointer,
  _ type: Int32,
  _ opcode: UInt8,
  _ rsv: UnsafeMutablePointer<UInt8>,
  _ payloadLength: UInt64,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    guard let opcode = Opcode(rawValue: opcode) else { throw ParseFailed("\(opcode) is no opcode") }
    let box = box(`extension`)
    box.opcode = opcode
    rsv.pointee = try box.change { (one) throws(ParseFailed) in
      try one.frameInboundHeader(
        FrameContext(role: role(type), opcode: opcode),
        opcode: opcode,
        rsv: RsvBits(c: rsv.pointee),
        payloadLength: payloadLength
      ).c
    }
  }
}

/// `wsproto_extension_frame_inbound_payload_data` of wsproto.h.
@_cdecl("wsproto_extension_frame_inbound_payload_data")
public func extensionFrameInboundPayloadData(
  _ extension: OpaquePointer,
  _ type: Int32,
  _ data: wsproto_bytes,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    let box = box(`extension`)
    var result: [UInt8] = []
    let context = FrameContext(role: role(type), opcode: box.opcode)
    try box.change { (one) throws(ParseFailed) in
      try one.frameInboundPayloadData(context, [UInt8](data.raw), into: &result)
    }
    box.arena.reset()
    output.pointee = box.arena.copy(result)
  }
}

/// `wsproto_extension_frame_inbound_complete` of wsproto.h.
@_cdecl("wsproto_extension_frame_inbound_complete")
public func extensionFrameInboundComplete(
  _ extension: OpaquePointer,
  _ type: Int32,
  _ fin: Bool,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    let box = box(`extension`)
    var result: [UInt8] = []
    let context = FrameContext(role: role(type), opcode: box.opcode)
    // Like wsproto's: returns bytes, though none, at the end of what it has inflated.
    let inflates = fin && (box.value as? PerMessageDeflate)?.inflates(box.opcode) == true
    try box.change { (one) throws(ParseFailed) in
      try one.frameInboundComplete(context, fin: fin, into: &result)
    }
    box.arena.reset()
    output.pointee = result.isEmpty && !inflates ? wsproto_bytes() : box.arena.copy(result)
  }
}

/// `wsproto_extension_frame_outbound` of wsproto.h.
@_cdecl("wsproto_extension_frame_outbound")
public func extensionFrameOutbound(
  _ extension: OpaquePointer,
  _ type: Int32,
  _ opcode: UInt8,
  _ rsv: UnsafeMutablePointer<UInt8>,
  _ data: wsproto_bytes,
  _ fin: Bool,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    guard let opcode = Opcode(rawValue: opcode) else {
      throw LocalProtocolError("\(opcode) is no opcode", .messageType)
    }
    let box = box(`extension`)
    let result = try box.change { (one) throws(LocalProtocolError) in
      try one.frameOutbound(
        FrameContext(role: role(type), opcode: opcode),
        opcode: opcode,
        rsv: RsvBits(c: rsv.pointee),
        data: [UInt8](data.raw),
        fin: fin
      )
    }
    rsv.pointee = result.rsv.c
    box.arena.reset()
    output.pointee = box.arena.copy(result.data)
  }
}

private func offers(_ text: wsproto_bytes) throws(RemoteProtocolError) -> [ExtensionHeader] {
  do throws(ExtensionHeaderError) {
    return try ExtensionHeader.parseList(text.text)
  } catch {
    throw RemoteProtocolError(
      "Bad header, 'Sec-WebSocket-Extensions'",
      detail: error.description
    )
  }
}

/// `wsproto_server_extensions_handshake` of wsproto.h.
@_cdecl("wsproto_server_extensions_handshake")
public func serverHandshake(
  _ requestedValue: wsproto_bytes,
  _ supported: UnsafePointer<OpaquePointer?>?,
  _ count: Int,
  _ answer: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: ProtocolError) in ErrorBox(failure) }) { () throws(ProtocolError) in
    let boxes = extensionBoxes(supported, count)
    var values = boxes.map(\.value)
    let requested: [ExtensionHeader]
    do throws(RemoteProtocolError) { requested = try offers(requestedValue) } catch { throw .remote(error) }
    let result: String?
    do throws(LocalProtocolError) {
      result = try serverExtensionsHandshake(requested, &values)
    } catch {
      throw .local(error)
    }
    for (box, value) in zip(boxes, values) { box.value = value }
    answer.pointee = wsproto_bytes()
    // An accepted offer implies that there is an extension, which can hold the text.
    if let result, let holder = boxes.first {
      holder.arena.reset()
      answer.pointee = holder.arena.copy(result)
    }
  }
}

/// `wsproto_client_extensions_handshake` of wsproto.h.
@_cdecl("wsproto_client_extensions_handshake")
public func clientHandshake(
  _ accepted: wsproto_bytes,
  _ supported: UnsafePointer<OpaquePointer?>?,
  _ count: Int,
  _ inUse: UnsafeMutablePointer<Int>?,
  _ inUseCount: UnsafeMutablePointer<Int>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: RemoteProtocolError) in ErrorBox(failure) }) {
    () throws(RemoteProtocolError) in
    let known = KnownExtensions()
    known.boxes = extensionBoxes(supported, count)
    let result = try clientExtensionsHandshake(try offers(accepted), known.boxes.map(\.value))
    inUseCount.pointee = 0
    for one in result {
      let box = known.box(for: one)
      guard let index = known.boxes.firstIndex(where: { $0 === box }), inUseCount.pointee < count else {
        continue
      }
      box.value = one
      inUse?[inUseCount.pointee] = index
      inUseCount.pointee += 1
    }
  }
}
