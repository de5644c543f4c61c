// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WSProto
import WSProtoFoundation

@Suite struct DataTests {
  /// A slice whose first index isn't zero, with a byte on each side that must not show up.
  let slice: Data = Data([9, 1, 2, 3, 9])[1..<4]

  @Test("Data can be converted to Bytes and back, including slices and empty data")
  func bothWays() {
    #expect(Array(Bytes(slice)) == [1, 2, 3])
    #expect(Data(Bytes(slice)) == Data([1, 2, 3]))
    #expect(Bytes(Data()).isEmpty)
    #expect(Data(Bytes()).isEmpty)
    let array: [UInt8] = [4, 5]
    #expect(Data(copying: array.span.bytes) == Data([4, 5]))
  }

  @Test("Data is accepted as the payload of a message, a ping and a part of a refusal")
  func payloads() {
    #expect(BytesMessage(data: slice, messageFinished: false).data == [1, 2, 3])
    #expect(!BytesMessage(data: slice, messageFinished: false).messageFinished)
    #expect(Ping(payload: slice).payload == [1, 2, 3])
    #expect(RejectData(data: slice, bodyFinished: false) == RejectData(data: [1, 2, 3], bodyFinished: false))
  }

  @Test("both ends can use Data for a whole conversation")
  func conversation() throws {
    let client = WSConnection(.client)
    let server = WSConnection(.server)
    let url = try #require(URL(string: "ws://localhost/"))
    try server.receiveData(Data(client.send(Request(url: url))))
    guard case .request = server.nextEvent() else {
      Issue.record("no request")
      return
    }
    var wire = try server.send(AcceptConnection())
    try server.sendBytes(slice, into: &wire)
    try client.receiveData(Data(wire))
    guard case .acceptConnection = client.nextEvent(), case .bytesMessage(let message) = client.nextEvent()
    else {
      Issue.record("no message")
      return
    }
    #expect(Data(message.data) == Data([1, 2, 3]))
  }

  @Test("a connection without a handshake takes Data, split anywhere")
  func bareConnection() throws {
    let wire = try Connection(.server).send(TextMessage(data: "Grüße"))
    let client = Connection(.client)
    var text = ""
    for byte in wire {
      try client.receiveData(Data([byte]))
      for case .textMessage(let part) in client.events() { text += part.data }
    }
    #expect(text == "Grüße")
  }
}
