// SPDX-License-Identifier: Apache-2.0

import CWSProto
import WSProto

/// The callbacks of an extension that is not written in Swift, released with its last copy.
///
/// `@unchecked`: the caller must make sure that the context can be used from several threads, as the header
/// says.
final class Callbacks: @unchecked Sendable {
  let name: String
  let table: wsproto_extension_callbacks

  init(name: String, table: wsproto_extension_callbacks) {
    self.name = name
    self.table = table
  }

  deinit { table.release?(table.context) }
}

/// Collects the bytes that a callback appends. Valid during the callback.
final class Output {
  var bytes: [UInt8] = []

  /// The bytes that `body` appends, and its result.
  static func collect<Result>(_ body: (OpaquePointer) -> Result) -> (Result, [UInt8]) {
    let output = Output()
    let result = withExtendedLifetime(output) {
      body(OpaquePointer(Unmanaged.passUnretained(output).toOpaque()))
    }
    return (result, output.bytes)
  }
}

/// `wsproto_output_append` of wsproto.h.
@_cdecl("wsproto_output_append")
public func outputAppend(_ output: OpaquePointer, _ data: UnsafePointer<UInt8>?, _ count: Int) {
  object(output, as: Output.self).bytes.append(contentsOf: elements(data, count))
}

/// An extension made of callbacks. Its copies share the context, as they would share a reference.
struct CallbackExtension: Extension {
  let callbacks: Callbacks

  private var table: wsproto_extension_callbacks { callbacks.table }

  var name: String { callbacks.name }

  static func == (left: Self, right: Self) -> Bool { left.callbacks === right.callbacks }

  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(callbacks)) }

  func enabled() -> Bool { table.enabled?(table.context) ?? false }

  func offer() -> [ExtensionParameter]? {
    guard let offer = table.offer else { return nil }
    return parameters(Output.collect { offer(table.context, $0) })
  }

  mutating func accept(_ offer: ExtensionHeader) -> [ExtensionParameter]? {
    guard let accept = table.accept else { return nil }
    return parameters(
      withUTF8(offer) { text in
        Output.collect { accept(table.context, text.baseAddress, text.count, $0) }
      }
    )
  }

  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    guard let finalize = table.finalize else { return }
    let (fine, message) = withUTF8(accepted) { text in
      Output.collect { finalize(table.context, text.baseAddress, text.count, $0) }
    }
    if !fine {
      let why = String(decoding: message, as: UTF8.self)
      throw NegotiationError(why.isEmpty ? "the parameters of \(name) are not acceptable" : why)
    }
  }

  mutating func frameInboundHeader(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    payloadLength: UInt64
  ) throws(ParseFailed) -> RsvBits {
    guard let hook = table.frame_inbound_header else { return [] }
    var bits = rsv.c
    try check(
      hook(table.context, Int32(context.role.rawValue), opcode.rawValue, &bits, payloadLength)
    )
    return RsvBits(c: bits)
  }

  mutating func frameInboundPayloadData(
    _ context: FrameContext,
    _ data: [UInt8],
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard let hook = table.frame_inbound_payload_data else {
      output += data
      return
    }
    let (code, given) = data.withUnsafeBufferPointer { data in
      Output.collect {
        hook(table.context, Int32(context.role.rawValue), data.baseAddress, data.count, $0)
      }
    }
    output += given
    try check(code)
  }

  mutating func frameInboundComplete(
    _ context: FrameContext,
    fin: Bool,
    into output: inout [UInt8]
  ) throws(ParseFailed) {
    guard let hook = table.frame_inbound_complete else { return }
    let (code, given) = Output.collect { hook(table.context, Int32(context.role.rawValue), fin, $0) }
    output += given
    try check(code)
  }

  mutating func frameOutbound(
    _ context: FrameContext,
    opcode: Opcode,
    rsv: RsvBits,
    data: [UInt8],
    fin: Bool
  ) throws(LocalProtocolError) -> (rsv: RsvBits, data: [UInt8]) {
    guard let hook = table.frame_outbound else { return (rsv, data) }
    var bits = rsv.c
    let (code, output) = data.withUnsafeBufferPointer { data in
      Output.collect {
        hook(
          table.context,
          Int32(context.role.rawValue),
          opcode.rawValue,
          &bits,
          data.baseAddress,
          data.count,
          fin,
          $0
        )
      }
    }
    if code != 0 { throw LocalProtocolError("the extension \(name) has refused a frame", .extension) }
    return (RsvBits(c: bits), output)
  }

  private func check(_ code: Int32) throws(ParseFailed) {
    if code != 0 { throw ParseFailed("error in extension", CloseReason(UInt16(clamping: code))) }
  }

  /// Parameters written by a callback; `nil` if they cannot be parsed.
  private func parameters(_ result: (Bool, [UInt8])) -> [ExtensionParameter]? {
    guard result.0 else { return nil }
    if result.1.isEmpty { return [] }
    let text = name + "; " + String(decoding: result.1, as: UTF8.self)
    guard let list = try? ExtensionHeader.parseList(text), list.count == 1 else { return nil }
    return list[0].parameters
  }

  private func withUTF8<Result>(
    _ header: ExtensionHeader,
    _ body: (UnsafeBufferPointer<UInt8>) -> Result
  ) -> Result {
    var text = header.description
    return text.withUTF8(body)
  }
}

extension RsvBits {
  init(c bits: UInt8) { self.init(bits & 4 != 0, bits & 2 != 0, bits & 1 != 0) }

  var c: UInt8 { (rsv1 ? 4 : 0) | (rsv2 ? 2 : 0) | (rsv3 ? 1 : 0) }
}
