// SPDX-License-Identifier: Apache-2.0

import WSProto

/// `Sec-WebSocket-Extensions` with any text in it, and the negotiation of permessage-deflate.
enum FuzzExtensions {
  static func run(_ input: inout Input) {
    let client = deflate(&input)
    let server = deflate(&input)
    negotiate(client, server)
    let text = String(decoding: input.rest, as: UTF8.self)
    let parsed: [ExtensionHeader]
    do throws(ExtensionHeaderError) { parsed = try ExtensionHeader.parseList(text) } catch { return }
    let written = parsed.map(\.description).joined(separator: ", ")
    if (try? ExtensionHeader.parseList(written)) != parsed {
      disagree("written and read again", [("text", text), ("parsed", parsed), ("written", written)])
    }
    var supported: [any Extension] = [server]
    let answered: String?
    do throws(LocalProtocolError) { answered = try serverExtensionsHandshake(parsed, &supported) } catch {
      disagree("an answer that cannot be written", [("text", text), ("error", error)])
    }
    if let answer = answered {
      if (try? ExtensionHeader.parseList(answer)) == nil {
        disagree("an answer that is no header", [("text", text), ("answer", answer)])
      }
      if let used = supported[0] as? PerMessageDeflate { check(used, text) }
    }
    if let used = try? clientExtensionsHandshake(parsed, [client]) {
      for case let one as PerMessageDeflate in used { check(one, text) }
    }
    for header in parsed {
      var copy = client
      do throws(NegotiationError) {
        try copy.finalize(header)
        check(copy, text)
      } catch {
        if copy != client {
          disagree("a refused answer has left something", [("text", text), ("error", error)])
        }
      }
      var other = server
      if other.accept(header) == nil {
        if other != server { disagree("a declined offer has left something", [("text", text)]) }
      } else {
        check(other, text)
      }
    }
  }

  private static func deflate(_ input: inout Input) -> PerMessageDeflate {
    let first = input.byte()
    let second = input.byte()
    let window: PerMessageDeflate.ClientWindowBits =
      switch second & 15 {
      case 0: .absent
      case 1: .unspecified
      case let other: .bits(9 + Int(other) % 7)
      }
    let made = try? PerMessageDeflate(
      clientNoContextTakeover: first & 1 != 0,
      clientMaxWindowBits: window,
      serverNoContextTakeover: first & 2 != 0,
      serverMaxWindowBits: second >> 4 == 0 ? nil : 9 + Int(second >> 4) % 7,
      memoryLevel: 1
    )
    guard let made else { fatalError("legal settings were refused") }
    return made
  }

  private static func check(_ one: PerMessageDeflate, _ text: String) {
    guard one.enabled(), 8...15 ~= one.clientMaxWindowBits, 8...15 ~= one.serverMaxWindowBits else {
      disagree("negotiated, but not to be used", [("text", text), ("result", one)])
    }
  }

  /// Two ends of ours always agree, on the same parameters, and understand each other.
  private static func negotiate(_ client: PerMessageDeflate, _ server: PerMessageDeflate) {
    var (client, server) = (client, server)
    let details: [(String, Any)] = [("client", client), ("server", server)]
    var answer: [ExtensionParameter]?
    for offer in client.offers() where answer == nil {
      answer = server.accept(ExtensionHeader(name: PerMessageDeflate.name, parameters: offer))
    }
    guard let answer else { disagree("our own offer was declined", details) }
    do throws(NegotiationError) {
      try client.finalize(ExtensionHeader(name: PerMessageDeflate.name, parameters: answer))
    } catch { disagree("our own answer was refused: \(error)", details) }
    let isSame =
      client.clientNoContextTakeover == server.clientNoContextTakeover
      && client.serverNoContextTakeover == server.serverNoContextTakeover
      && client.clientMaxWindowBits == server.clientMaxWindowBits
      && client.serverMaxWindowBits == server.serverMaxWindowBits
    guard isSame else { disagree("parameters differ", details + [("after", (client, server))]) }
  }

  static func seeds() -> [[UInt8]] {
    let texts = [
      "permessage-deflate", "permessage-deflate; client_max_window_bits", "x-a; b=c; d=\"e\", y",
      "permessage-deflate; client_max_window_bits=8; server_max_window_bits=15",
      "permessage-deflate; server_max_window_bits=\"10\"; client_no_context_takeover",
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover, permessage-deflate",
      "permessage-deflate; server_max_window_bits=8, permessage-deflate; client_max_window_bits=9",
      ", ,a ; b = \"\\c\\d\"", "permessage-deflate; server_max_window_bits=015",
    ]
    return texts.enumerated().map { number, text in
      [UInt8(number % 4), UInt8(number * 29), 0, UInt8(number * 13)] + Array(text.utf8)
    }
  }
}
