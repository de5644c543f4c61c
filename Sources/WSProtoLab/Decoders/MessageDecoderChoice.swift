// SPDX-License-Identifier: Apache-2.0

import WSProto

/// Which decoder shows messages.
public enum MessageDecoderChoice: Sendable {
  /// The one for the connection's subprotocol; without one, nothing is decoded.
  case bySubprotocol
  /// This one, whatever the subprotocol.
  case fixed(any PayloadDecoder.Type)

  /// All decoders.
  public static let all: [any PayloadDecoder.Type] = [
    JSONPayloadDecoder.self, MessagePackDecoder.self, CBORDecoder.self, GraphQLDecoder.self,
    STOMPDecoder.self,
    SocketIODecoder.self, MQTTDecoder.self,
  ]

  /// A decoder's name, or `auto`; `nil` if there is no such decoder.
  public init?(named name: String) {
    if name == "auto" {
      self = .bySubprotocol
    } else if let decoder = Self.all.first(where: { $0.name == name }) {
      self = .fixed(decoder)
    } else {
      return nil
    }
  }

  /// The most lines of one message.
  private static let maxLines = 64

  /// What a message is.
  func lines(of message: MessageRecord, subprotocol: String?) -> [String] {
    guard !message.isDamaged, message.unknownBytes == 0, let decoder = decoder(for: subprotocol) else {
      return []
    }
    do throws(PayloadError) {
      let lines = try decoder.init().lines(
        message.content,
        isText: message.opcode == .text,
        isCut: UInt64(message.content.count) < message.size
      )
      return lines.count > Self.maxLines ? lines.prefix(Self.maxLines) + ["…"] : lines
    } catch {
      return [error.description]
    }
  }

  private func decoder(for subprotocol: String?) -> (any PayloadDecoder.Type)? {
    switch self {
    case .fixed(let decoder): return decoder
    case .bySubprotocol:
      guard let name = subprotocol?.lowercased() else { return nil }
      return Self.all.first { $0.subprotocols.contains(name) }
    }
  }
}
