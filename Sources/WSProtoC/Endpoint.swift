// SPDX-License-Identifier: Apache-2.0

public import CWSProto
import WSProto

/// `wsproto_endpoint`: wraps one of the three Swift classes that send and receive events.
final class Endpoint {
  enum Core {
    case whole(WSConnection)
    case handshake(H11Handshake)
    case open(Connection)
  }

  let core: Core
  /// The extensions passed in from C. The handshake's results are written back to them.
  let known: KnownExtensions
  let calls: CallGuard
  let arena = Arena()
  private var output: [UInt8] = []

  /// How much memory, in bytes, is kept between calls for the next output.
  private static let retainedBytes = 16 << 10

  init(_ core: Core, known: KnownExtensions = KnownExtensions()) {
    self.core = core
    self.known = known
    calls = CallGuard()
  }

  /// A part of `whole`. For callbacks and threads, both are one object.
  init(_ core: Core, of whole: Endpoint) {
    self.core = core
    known = whole.known
    calls = whole.calls
  }

  var state: ConnectionState {
    switch core {
    case .whole(let one): one.state
    case .handshake(let one): one.state
    case .open(let one): one.state
    }
  }

  var connection: Connection? {
    switch core {
    case .whole(let one): one.connection
    case .handshake(let one): one.connection
    case .open(let one): one
    }
  }

  func initiate(_ fields: Headers, _ path: String) throws(ProtocolError) {
    switch core {
    case .whole(let one): try one.initiateUpgradeConnection(headers: fields, path: path)
    case .handshake(let one): try one.initiateUpgradeConnection(headers: fields, path: path)
    case .open: throw .local(LocalProtocolError("the connection is open already", .state(.open)))
    }
  }

  func receive(_ data: UnsafeRawBufferPointer) throws(ProtocolError) {
    arena.reset()
    if data.isEmpty { return }
    switch core {
    case .whole(let one): try one.receiveData(data)
    case .handshake(let one): try one.receiveData(data)
    case .open(let one): try one.receiveData(data)
    }
    settle()
  }

  func receiveEndOfStream() throws(ProtocolError) {
    arena.reset()
    switch core {
    case .whole(let one): try one.receiveEndOfStream()
    case .handshake(let one): try one.receiveEndOfStream()
    case .open(let one): try one.receiveEndOfStream()
    }
  }

  func nextEvent() -> UnsafePointer<wsproto_event>? {
    arena.reset()
    let event: Event? =
      switch core {
      case .whole(let one): one.nextEvent()
      case .handshake(let one): one.nextEvent()
      case .open(let one): one.nextEvent()
      }
    return event.flatMap { arena.pointer(to: $0.c(in: arena) { known.box(for: $0) }) }
  }

  func send(_ event: wsproto_event) throws(LocalProtocolError) -> wsproto_bytes {
    // Before the reset, because the event may be one of this endpoint's.
    let swift = try event.swift()
    output.removeAll(keepingCapacity: true)
    defer { if output.capacity > Self.retainedBytes { output = [] } }
    switch core {
    case .whole(let one): try one.send(swift, into: &output)
    case .handshake(let one): try one.send(swift, into: &output)
    case .open(let one): try one.send(swift, into: &output)
    }
    if event.extension_count > 0 { known.boxes = event.boxes }
    settle()
    arena.reset()
    return arena.copy(output)
  }

  func sendReplies() throws(LocalProtocolError) -> wsproto_bytes {
    let bytes =
      switch core {
      case .whole(let one): try one.sendReplies()
      case .handshake(let one): try one.sendReplies()
      case .open(let one): try one.sendReplies()
      }
    arena.reset()
    return arena.copy(bytes)
  }

  var waitingReplyBytes: Int {
    switch core {
    case .whole(let one): one.waitingReplyBytes
    case .handshake(let one): one.waitingReplyBytes
    case .open(let one): one.waitingReplyBytes
    }
  }

  private func settle() {
    if let connection { known.settle(connection) }
  }
}

/// The extensions passed in from C.
final class KnownExtensions {
  var boxes: [ExtensionBox] = []
  var settled = false

  /// Writes the negotiated parameters back into the extensions passed in, once.
  func settle(_ connection: Connection) {
    if settled { return }
    settled = true
    for one in connection.extensions { box(for: one).value = one }
  }

  /// The C object for `one`: the one passed in, or a new one.
  func box(for one: any Extension) -> ExtensionBox {
    let found = boxes.first { box in
      if let left = box.value as? CallbackExtension, let right = one as? CallbackExtension {
        left == right
      } else {
        box.value.name == one.name && type(of: box.value) == type(of: one)
      }
    }
    return found ?? ExtensionBox(one)
  }
}

extension Configuration {
  init(_ given: UnsafePointer<wsproto_configuration>?) {
    self.init()
    guard let given = given?.pointee else { return }
    limits.maxHeadBytes = limit(given.max_head_bytes)
    limits.maxHeadFields = limit(given.max_head_fields)
    limits.maxEarlyBytes = limit(given.max_early_bytes)
    limits.maxFramePayload = limit(given.max_frame_payload)
    limits.maxMessageWireBytes = limit(given.max_message_wire_bytes)
    limits.maxMessageBytes = limit(given.max_message_bytes)
    limits.maxMessageFragments = limit(given.max_message_fragments)
    limits.maxPartBytes = limit(given.max_part_bytes)
    limits.maxUntakenBytes = limit(given.max_untaken_bytes)
    delivery = given.whole_messages ? .wholeMessages : .chunks
    if given.automatic_pongs { automaticReplies.insert(.pongs) }
    if given.automatic_closes { automaticReplies.insert(.closes) }
    if given.automatic_rejections { automaticReplies.insert(.rejections) }
  }
}

/// SIZE_MAX, and everything above the range of Swift's signed sizes, means no limit.
private func limit(_ size: Int) -> Int { size < 0 ? .max : size }

/// `wsproto_configuration_init` of wsproto.h.
@_cdecl("wsproto_configuration_init")
public func configurationInit(_ configuration: UnsafeMutablePointer<wsproto_configuration>) {
  let limits = Limits()
  configuration.pointee = wsproto_configuration(
    max_head_bytes: limits.maxHeadBytes,
    max_head_fields: limits.maxHeadFields,
    max_early_bytes: limits.maxEarlyBytes,
    max_frame_payload: limits.maxFramePayload,
    max_message_wire_bytes: limits.maxMessageWireBytes,
    max_message_bytes: limits.maxMessageBytes,
    max_message_fragments: limits.maxMessageFragments,
    max_part_bytes: limits.maxPartBytes,
    whole_messages: false,
    automatic_pongs: false,
    automatic_closes: false,
    automatic_rejections: false,
    max_untaken_bytes: limits.maxUntakenBytes,
    deflate_pool: nil
  )
}

/// `wsproto_connection_new` of wsproto.h.
@_cdecl("wsproto_connection_new")
public func connectionNew(
  _ type: Int32,
  _ configuration: UnsafePointer<wsproto_configuration>?
) -> OpaquePointer {
  let connection = WSConnection(
    role(type),
    configuration: Configuration(configuration),
    deflatePool: pool(configuration)
  )
  return retained(Endpoint(.whole(connection)))
}

/// `wsproto_handshake_new` of wsproto.h.
@_cdecl("wsproto_handshake_new")
public func handshakeNew(
  _ type: Int32,
  _ configuration: UnsafePointer<wsproto_configuration>?
) -> OpaquePointer {
  let handshake = H11Handshake(
    role(type),
    configuration: Configuration(configuration),
    deflatePool: pool(configuration)
  )
  return retained(Endpoint(.handshake(handshake)))
}

/// `wsproto_open_connection_new` of wsproto.h.
@_cdecl("wsproto_open_connection_new")
public func openConnectionNew(
  _ type: Int32,
  _ extensions: UnsafePointer<OpaquePointer?>?,
  _ count: Int,
  _ trailing: wsproto_bytes,
  _ configuration: UnsafePointer<wsproto_configuration>?
) -> OpaquePointer {
  let known = KnownExtensions()
  known.boxes = extensionBoxes(extensions, count)
  known.settled = true
  let connection = Connection(
    role(type),
    extensions: known.boxes.map(\.value),
    trailingData: Bytes(copying: trailing.raw),
    configuration: Configuration(configuration),
    deflatePool: pool(configuration)
  )
  return retained(Endpoint(.open(connection), known: known))
}

/// `wsproto_endpoint_handshake` of wsproto.h.
@_cdecl("wsproto_endpoint_handshake")
public func endpointHandshake(_ endpoint: OpaquePointer) -> OpaquePointer? {
  let endpoint = object(endpoint, as: Endpoint.self)
  guard case .whole(let connection) = endpoint.core else { return nil }
  return retained(Endpoint(.handshake(connection.handshake), of: endpoint))
}

/// `wsproto_endpoint_connection` of wsproto.h.
@_cdecl("wsproto_endpoint_connection")
public func endpointConnection(_ endpoint: OpaquePointer) -> OpaquePointer? {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.connection.map { retained(Endpoint(.open($0), of: endpoint)) }
}

/// `wsproto_endpoint_free` of wsproto.h.
@_cdecl("wsproto_endpoint_free")
public func endpointFree(_ endpoint: OpaquePointer?) { release(endpoint, as: Endpoint.self) }

/// `wsproto_endpoint_state` of wsproto.h.
@_cdecl("wsproto_endpoint_state")
public func endpointState(_ endpoint: OpaquePointer) -> Int32 {
  Int32(object(endpoint, as: Endpoint.self).state.rawValue)
}

/// `wsproto_endpoint_failure` of wsproto.h.
@_cdecl("wsproto_endpoint_failure")
public func endpointFailure(_ endpoint: OpaquePointer) -> Int32 {
  Int32(object(endpoint, as: Endpoint.self).connection?.failure?.code.rawValue ?? 0)
}

/// `wsproto_endpoint_initiate_upgrade` of wsproto.h.
@_cdecl("wsproto_endpoint_initiate_upgrade")
public func endpointInitiateUpgrade(
  _ endpoint: OpaquePointer,
  _ fields: UnsafePointer<wsproto_field>?,
  _ count: Int,
  _ path: wsproto_bytes,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.attempt(error, { (failure: ProtocolError) in ErrorBox(failure) }) {
    () throws(ProtocolError) in
    let parsed: Headers
    do throws(LocalProtocolError) {
      parsed = try headers(fields, count)
    } catch {
      throw .local(error)
    }
    try endpoint.initiate(parsed, path.text)
  }
}

/// `wsproto_endpoint_receive` of wsproto.h.
@_cdecl("wsproto_endpoint_receive")
public func endpointReceive(
  _ endpoint: OpaquePointer,
  _ data: UnsafePointer<UInt8>?,
  _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.attempt(error, { (failure: ProtocolError) in ErrorBox(failure) }) {
    () throws(ProtocolError) in
    try endpoint.receive(wsproto_bytes(data: data, count: count).raw)
  }
}

/// `wsproto_endpoint_receive_end_of_stream` of wsproto.h.
@_cdecl("wsproto_endpoint_receive_end_of_stream")
public func endpointReceiveEndOfStream(
  _ endpoint: OpaquePointer,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.attempt(error, { (failure: ProtocolError) in ErrorBox(failure) }) {
    () throws(ProtocolError) in
    try endpoint.receiveEndOfStream()
  }
}

/// `wsproto_endpoint_next_event` of wsproto.h.
@_cdecl("wsproto_endpoint_next_event")
public func endpointNextEvent(_ endpoint: OpaquePointer) -> UnsafePointer<wsproto_event>? {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.run { endpoint.nextEvent() } ?? nil
}

/// `wsproto_endpoint_send` of wsproto.h.
@_cdecl("wsproto_endpoint_send")
public func endpointSend(
  _ endpoint: OpaquePointer,
  _ event: UnsafePointer<wsproto_event>,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    output.pointee = try endpoint.send(event.pointee)
  }
}

/// `wsproto_endpoint_send_replies` of wsproto.h.
@_cdecl("wsproto_endpoint_send_replies")
public func endpointSendReplies(
  _ endpoint: OpaquePointer,
  _ output: UnsafeMutablePointer<wsproto_bytes>,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> Bool {
  let endpoint = object(endpoint, as: Endpoint.self)
  return endpoint.calls.attempt(error, { (failure: LocalProtocolError) in ErrorBox(failure) }) {
    () throws(LocalProtocolError) in
    output.pointee = try endpoint.sendReplies()
  }
}

/// `wsproto_endpoint_waiting_reply_bytes` of wsproto.h.
@_cdecl("wsproto_endpoint_waiting_reply_bytes")
public func endpointWaitingReplyBytes(_ endpoint: OpaquePointer) -> Int {
  object(endpoint, as: Endpoint.self).waitingReplyBytes
}
