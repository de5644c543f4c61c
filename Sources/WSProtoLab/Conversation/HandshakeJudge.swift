// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WSProto

/// Has WSProto's handshakes judge the two heads of a recorded one: the server's half reads the request, and a client's half
/// that has sent the same request reads the response.
struct HandshakeJudge {
  /// The request, if it is legal.
  private(set) var request: Request?
  /// Its `Sec-WebSocket-Key`.
  private var key: [UInt8] = []

  /// Reads a request's head. Returns what is wrong with it.
  mutating func read(request head: [UInt8]) -> RemoteProtocolError? {
    let record = HandshakeRecord(head[...])
    key = record.value("Sec-WebSocket-Key").map(Array.init) ?? []
    let server = H11Handshake(.server)
    if let error = Self.receive(head, server) { return error }
    while let event = server.nextEvent() {
      if case .request(let request) = event { self.request = request }
    }
    return nil
  }

  /// The end of reading a response.
  enum Verdict {
    case accepted(subprotocol: String?, PayloadCoding)
    case rejected
    /// A 1xx response: another will follow.
    case informational
    case illegal(RemoteProtocolError)
    /// There was no legal request to compare it with.
    case unjudged
  }

  /// Reads a response's head.
  func read(response head: [UInt8]) -> Verdict {
    guard let request, let client = makeClient(request) else { return .unjudged }
    if let error = Self.receive(head, client) { return .illegal(error) }
    while let event = client.nextEvent() {
      switch event {
      case .acceptConnection(let accept):
        return .accepted(subprotocol: accept.subprotocol, Self.coding(accept.extensions))
      case .rejectConnection: return .rejected
      default: continue
      }
    }
    return .informational
  }

  /// A client that has sent this request with this key.
  private func makeClient(_ received: Request) -> H11Handshake? {
    guard let random = Base64Text.decode(key[...]), random.count == 16 else { return nil }
    var configuration = Configuration()
    configuration.randomSource = RandomSource { buffer in
      for index in buffer.indices { buffer[index] = random[index % random.count] }
    }
    let client = H11Handshake(.client, configuration: configuration)
    let request = Request(
      host: received.host,
      target: received.target,
      extensions: RecordedOffer.all(in: received.extensions),
      subprotocols: received.subprotocols
    )
    do throws(LocalProtocolError) {
      // The pad bits of a key may be set, and are lost in decoding: then the token cannot be compared.
      guard Array(try client.send(request)).firstRange(of: key) != nil else { return nil }
    } catch {
      return nil
    }
    return client
  }

  private static func receive(_ head: [UInt8], _ handshake: H11Handshake) -> RemoteProtocolError? {
    do throws(ProtocolError) {
      try handshake.receiveData(head)
      return nil
    } catch {
      switch error {
      case .remote(let remote): return remote
      case .local(let local): return RemoteProtocolError(local.message)
      }
    }
  }

  private static func coding(_ extensions: [any Extension]) -> PayloadCoding {
    if extensions.isEmpty { return .plain }
    guard extensions.count == 1, let offer = extensions.first as? RecordedOffer else {
      return .unknownExtension
    }
    return offer.negotiated.map { .deflate($0) } ?? .unknownExtension
  }
}

/// The offers of one extension in a recorded request, and the answer to them.
struct RecordedOffer: Extension {
  let name: String
  private var offered: [[ExtensionParameter]]
  /// permessage-deflate as agreed on.
  private(set) var negotiated: PerMessageDeflate?

  /// The offers in a request, by extension.
  static func all(in extensions: [any Extension]) -> [RecordedOffer] {
    var list: [RecordedOffer] = []
    for one in extensions {
      guard let offered = one as? OfferedExtension else { continue }
      if let index = list.firstIndex(where: { $0.name == offered.name }) {
        list[index].offered.append(offered.header.parameters)
      } else {
        list.append(RecordedOffer(name: offered.name, offered: [offered.header.parameters]))
      }
    }
    return list
  }

  private init(name: String, offered: [[ExtensionParameter]]) {
    self.name = name
    self.offered = offered
  }

  func enabled() -> Bool { true }

  func offer() -> [ExtensionParameter]? { offered.first }

  func offers() -> [[ExtensionParameter]] { offered }

  mutating func finalize(_ accepted: ExtensionHeader) throws(NegotiationError) {
    guard name == PerMessageDeflate.name else { return }
    var failure: NegotiationError?
    for offer in offered {
      guard var deflate = Self.deflate(offer) else { continue }
      do throws(NegotiationError) {
        try deflate.finalize(
          ExtensionHeader(name: name, parameters: accepted.parameters.map(Self.atLeastNine))
        )
        negotiated = deflate
        return
      } catch {
        failure = failure ?? error
      }
    }
    throw failure ?? NegotiationError("an answer to an offer that is not legal", detail: "RFC 7692 §7")
  }

  /// A client that has made this offer; `nil` if it isn't legal.
  private static func deflate(_ offer: [ExtensionParameter]) -> PerMessageDeflate? {
    let offer = offer.map(atLeastNine)
    func bits(_ name: String) -> Int? {
      offer.first { $0.name == name }?.value.flatMap { Int($0) }
    }
    let hasClientWindow = offer.contains { $0.name == "client_max_window_bits" }
    return try? PerMessageDeflate(
      clientNoContextTakeover: offer.contains { $0.name == "client_no_context_takeover" },
      clientMaxWindowBits: hasClientWindow
        ? bits("client_max_window_bits").map { .bits($0) } ?? .unspecified : .absent,
      serverNoContextTakeover: offer.contains { $0.name == "server_no_context_takeover" },
      serverMaxWindowBits: bits("server_max_window_bits")
    )
  }

  /// A window of 8 bits as one of 9: nothing here compresses with it, and both are inflated alike.
  private static func atLeastNine(_ parameter: ExtensionParameter) -> ExtensionParameter {
    parameter.value == "8" ? ExtensionParameter(name: parameter.name, value: "9") : parameter
  }
}
