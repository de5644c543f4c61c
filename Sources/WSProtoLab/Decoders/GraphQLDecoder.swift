// SPDX-License-Identifier: Apache-2.0

/// graphql-transport-ws, the protocol of graphql-ws: JSON objects with a type.
struct GraphQLDecoder: PayloadDecoder {
  static var name: String { "graphql-transport-ws" }
  static var subprotocols: [String] { ["graphql-transport-ws", "graphql-ws"] }

  private static let types: Set = [
    "connection_init", "connection_ack", "ping", "pong", "subscribe", "next", "error", "complete",
    // The older protocol of subscriptions-transport-ws.
    "start", "data", "stop", "ka", "connection_terminate", "connection_error",
  ]

  func lines(_ content: [UInt8], isText: Bool, isCut: Bool) throws(PayloadError) -> [String] {
    let summary = try JSONSummary(content[...], isCut: isCut, format: "graphql-transport-ws")
    let type = summary.value("type").map { String($0.dropFirst().dropLast()) }
    guard let type, Self.types.contains(type) else {
      throw PayloadError(
        format: "graphql-transport-ws",
        offset: 0,
        message: "no object with a known \"type\""
      )
    }
    return ["graphql \(type)" + (summary.value("id").map { " id \($0)" } ?? "") + " " + summary.description]
  }
}
