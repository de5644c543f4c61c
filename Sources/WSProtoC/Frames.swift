// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import WSProto

/// `wsproto_frame_protocol`
final class FrameProtocolBox {
  let value: FrameProtocol
  let arena = Arena()
  let calls = CallGuard()

  init(_ value: FrameProtocol) { self.value = value }
}

/// `wsproto_frame_decoder`
final class FrameDecoderBox {
  let value: FrameDecoder
  let arena = Arena()
  let calls = CallGuard()

  init(_ value: FrameDecoder) { self.value = value }
}

/// `wsproto_message_decoder`
final class MessageDecoderBox {
  var value = MessageDecoder()
  let arena = Arena()
}

extension Frame {
  func c(in arena: Arena) -> wsproto_frame {
    var frame = wsproto_frame()
    frame.opcode = opcode.rawValue
    frame.frame_finished = frameFinished
    frame.message_finished = messageFinished
    switch payload {
    case .bytes(let bytes): frame.data = arena.copy(bytes)
    case .text(let text): frame.data = arena.copy(text)
    case .close(let code, let reason):
      frame.code = Int32(code.rawValue)
      frame.data = arena.copy(reason)
    }
    return frame
  }
}

// MARK: FrameProtocol

/// `wsproto_frame_protocol_new` of wsproto.h.
@_cdecl("wsproto_frame_protocol_new")
public func frameProtocolNew(
  _ type: Int32,
  _ extensions: UnsafePointer<OpaquePointer?>?,
  _ count: Int,
  _ configuration: UnsafePointer<wsproto_configuration>?
) -> OpaquePointer {
  retained(
    FrameProtocolBox(
      FrameProtocol(
        client: role(type) == .client,
        extensions: extensionBoxes(extensions, count).map(\.value),
        configuration: Configuration(configuration)
      )
    )
  )
}

/// `wsproto_frame_protocol_free` of wsproto.h.
@_cdecl("wsproto_frame_protocol_free")
public func frameProtocolFree(_ pointer: OpaquePointer?) { release(pointer, as: FrameProtocolBox.self) }

/// `wsproto_frame_protocol_receive` of wsproto.h.
@_cdecl("wsproto_frame_protocol_receive")
public func frameProtocolReceive(
  _ pointer: OpaquePointer,
  _ data: UnsafePointer<UInt8>?,
  _ count: Int
) -> Bool {
  let box = object(pointer, as: FrameProtocolBox.self)
  let done: Void? = box.calls.run {
    box.arena.reset()
    box.value.receiveBytes(wsproto_bytes(data: data, count: count).raw)
  }
  return done != nil
}

/// `wsproto_frame_protocol_next_frame` of wsproto.h.
@_cdecl("wsproto_frame_protocol_next_frame")
public func frameProtocolNextFrame(
  _ pointer: OpaquePointer,
  _ frame: UnsafeMutablePointer<UnsafePointer<wsproto_frame>?>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let box = object(pointer, as: FrameProtocolBox.self)
  return box.calls.attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    box.arena.reset()
    frame.pointee = try box.value.nextFrame().flatMap { box.arena.pointer(to: $0.c(in: box.arena)) }
  }
}

/// `wsproto_frame_protocol_send` of wsproto.h.
@_cdecl("wsproto_frame_protocol_send")
public func frameProtocolSend(
  _ pointer: OpaquePointer,
  _ opcode: UInt8,
  _ payload: wsproto_bytes,
  _ fin: Bool,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let box = object(pointer, as: FrameProtocolBox.self)
  return box.calls.attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    let bytes: [UInt8]
    switch Opcode(rawValue: opcode) {
    case .text: bytes = try box.value.sendData(payload.text, fin: fin)
    case .binary: bytes = try box.value.sendData(Bytes(copying: payload.raw), fin: fin)
    case .ping: bytes = try box.value.ping(Bytes(copying: payload.raw))
    case .pong: bytes = try box.value.pong(Bytes(copying: payload.raw))
    case .continuation, .close, nil:
      throw LocalProtocolError("\(opcode) is no opcode to send a message or a ping with", .messageType)
    }
    box.arena.reset()
    output.pointee = box.arena.copy(bytes)
  }
}

/// `wsproto_frame_protocol_close` of wsproto.h.
@_cdecl("wsproto_frame_protocol_close")
public func frameProtocolClose(
  _ pointer: OpaquePointer,
  _ code: Int32,
  _ reason: wsproto_bytes,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let box = object(pointer, as: FrameProtocolBox.self)
  return box.calls.attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    let bytes = try box.value.close(
      code: code == 0 ? nil : try closeReason(code),
      reason: reason.optionalText
    )
    box.arena.reset()
    output.pointee = box.arena.copy(bytes)
  }
}

// MARK: FrameDecoder

/// `wsproto_frame_decoder_new` of wsproto.h.
@_cdecl("wsproto_frame_decoder_new")
public func frameDecoderNew(
  _ type: Int32,
  _ extensions: UnsafePointer<OpaquePointer?>?,
  _ count: Int,
  _ configuration: UnsafePointer<wsproto_configuration>?
) -> OpaquePointer {
  retained(
    FrameDecoderBox(
      FrameDecoder(
        client: role(type) == .client,
        extensions: extensionBoxes(extensions, count).map(\.value),
        limits: Configuration(configuration).limits
      )
    )
  )
}

/// `wsproto_frame_decoder_free` of wsproto.h.
@_cdecl("wsproto_frame_decoder_free")
public func frameDecoderFree(_ pointer: OpaquePointer?) { release(pointer, as: FrameDecoderBox.self) }

/// `wsproto_frame_decoder_receive` of wsproto.h.
@_cdecl("wsproto_frame_decoder_receive")
public func frameDecoderReceive(
  _ pointer: OpaquePointer,
  _ data: UnsafePointer<UInt8>?,
  _ count: Int
) -> Bool {
  let box = object(pointer, as: FrameDecoderBox.self)
  let done: Void? = box.calls.run {
    box.arena.reset()
    box.value.receiveBytes(wsproto_bytes(data: data, count: count).raw)
  }
  return done != nil
}

/// `wsproto_frame_decoder_next_frame` of wsproto.h.
@_cdecl("wsproto_frame_decoder_next_frame")
public func frameDecoderNextFrame(
  _ pointer: OpaquePointer,
  _ frame: UnsafeMutablePointer<UnsafePointer<wsproto_frame>?>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let box = object(pointer, as: FrameDecoderBox.self)
  return box.calls.attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    box.arena.reset()
    frame.pointee = try box.value.processBuffer().flatMap { box.arena.pointer(to: $0.c(in: box.arena)) }
  }
}

// MARK: MessageDecoder

/// `wsproto_message_decoder_new` of wsproto.h.
@_cdecl("wsproto_message_decoder_new")
public func messageDecoderNew() -> OpaquePointer { retained(MessageDecoderBox()) }

/// `wsproto_message_decoder_free` of wsproto.h.
@_cdecl("wsproto_message_decoder_free")
public func messageDecoderFree(_ pointer: OpaquePointer?) { release(pointer, as: MessageDecoderBox.self) }

/// `wsproto_message_decoder_process` of wsproto.h.
@_cdecl("wsproto_message_decoder_process")
public func messageDecoderProcess(
  _ pointer: OpaquePointer,
  _ frame: UnsafePointer<wsproto_frame>,
  _ result: UnsafeMutablePointer<UnsafePointer<wsproto_frame>?>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  attempt(error, { (failure: ParseFailed) in ErrorBox(failure) }) { () throws(ParseFailed) in
    let box = object(pointer, as: MessageDecoderBox.self)
    let given = frame.pointee
    guard let opcode = Opcode(rawValue: given.opcode) else {
      throw ParseFailed("\(given.opcode) is no opcode")
    }
    let processed = try box.value.processFrame(
      Frame(
        opcode: opcode,
        payload: .bytes(Bytes(copying: given.data.raw)),
        frameFinished: given.frame_finished,
        messageFinished: given.message_finished
      )
    )
    box.arena.reset()
    result.pointee = box.arena.pointer(to: processed.c(in: box.arena))
  }
}

/// `wsproto_message_decoder_opcode` of wsproto.h.
@_cdecl("wsproto_message_decoder_opcode")
public func messageDecoderOpcode(_ pointer: OpaquePointer) -> UInt8 {
  object(pointer, as: MessageDecoderBox.self).value.opcode?.rawValue ?? 0
}
