// SPDX-License-Identifier: Apache-2.0

import Testing
import WSProto
import WSProtoTestSupport

@Suite struct FrameProtocolTests {
  @Test(
    "what one end sends the other receives, whole and byte by byte",
    arguments: [true, false],
    [true, false]
  )
  func roundTrip(client: Bool, byteByByte: Bool) throws {
    let sender = FrameProtocol(client: client)
    let receiver = FrameProtocol(client: !client)
    var wire = try sender.sendData("grüß", fin: false)
    wire += try sender.ping([1])
    wire += try sender.sendData(" dich")
    wire += try sender.sendData([1, 2, 3] as Bytes)
    wire += try sender.pong()
    wire += try sender.close(code: .goingAway, reason: "ciao")
    var frames: [Frame] = []
    for piece in byteByByte ? wire.map({ [$0] }) : [wire] {
      receiver.receiveBytes(piece)
      frames += try receiver.receivedFrames()
    }
    var text = ""
    var bytes: [UInt8] = []
    var controls: [Frame] = []
    for frame in frames {
      switch frame.payload {
      case .text(let piece):
        #expect(frame.opcode == .text)
        text += piece
      case .bytes(let piece) where frame.opcode == .binary: bytes += piece
      default: controls.append(frame)
      }
    }
    #expect(text == "grüß dich")
    #expect(bytes == [1, 2, 3])
    func whole(_ opcode: Opcode, _ payload: Frame.Payload) -> Frame {
      Frame(opcode: opcode, payload: payload, frameFinished: true, messageFinished: true)
    }
    #expect(
      controls == [
        whole(.ping, .bytes([1])), whole(.pong, .bytes([])), whole(.close, .close(.goingAway, "ciao")),
      ]
    )
  }

  @Test(
    "an empty Close is 1005; nothing is read after a Close (RFC 6455 §5.5.1)",
    .requirement("6455-5.5.1-ignore")
  )
  func close() throws {
    let receiver = FrameProtocol(client: true)
    receiver.receiveBytes([0x88, 0x00, 0x89, 0x00] as [UInt8])
    let frame = try receiver.nextFrame()
    #expect(frame?.payload == .close(.noStatusRcvd, ""))
    #expect(try receiver.nextFrame() == nil)
    receiver.receiveBytes([0xFF] as [UInt8])
    #expect(try receiver.nextFrame() == nil)
  }

  static let bad: [(String, [UInt8], CloseReason)] = [
    ("a reserved opcode", [0x83, 0], .protocolError), ("a reserved bit", [0xC1, 0], .protocolError),
    ("a masked frame for a client", [0x81, 0x80, 0, 0, 0, 0], .protocolError),
    ("a fragmented ping", [0x09, 0], .protocolError), ("a continuation alone", [0x80, 0], .protocolError),
    ("text in text", [0x01, 0, 0x81, 0], .protocolError),
    ("a Close of one byte", [0x88, 1, 3], .protocolError),
    ("a Close with 1005", [0x88, 2, 0x03, 0xED], .protocolError),
    ("text that is not UTF-8", [0x81, 1, 0xFF], .invalidFramePayloadData),
    ("a reason that is not UTF-8", [0x88, 3, 0x03, 0xE8, 0xFF], .invalidFramePayloadData),
  ]

  @Test(
    "each violation is thrown with its code, whole and byte by byte, and persists",
    .requirement("6455-5.4-first", "6455-5.4-continuation", "6455-5.4-control-whole", "6455-5.5.1-reason"),
    arguments: bad.indices
  )
  func violations(index: Int) throws {
    let (name, bytes, code) = Self.bad[index]
    for pieces in [[bytes], bytes.map { [$0] }, [bytes + [0x81, 0x00]]] {
      let receiver = FrameProtocol(client: true)
      var failure: ParseFailed?
      for piece in pieces where failure == nil {
        receiver.receiveBytes(piece)
        do throws(ParseFailed) { _ = try receiver.receivedFrames() } catch { failure = error }
      }
      #expect(failure?.code == code, "\(name)")
      receiver.receiveBytes([0x81, 0x00] as [UInt8])
      let again = #expect(throws: ParseFailed.self) { try receiver.nextFrame() }
      #expect(again == failure, "\(name)")
    }
  }

  @Test(
    "text and bytes are not mixed inside a message, control frames may come between (RFC 6455 §5.4)",
    .requirement("6455-5.4-type")
  )
  func mixing() throws {
    let sender = FrameProtocol(client: false)
    #expect(try sender.sendData("a", fin: false) == [0x01, 1, 0x61])
    let error = #expect(throws: LocalProtocolError.self) { try sender.sendData([1] as Bytes) }
    #expect(error?.violation == .messageType)
    #expect(try sender.ping() == [0x89, 0])
    #expect(try sender.sendData("b") == [0x80, 1, 0x62])
    #expect(try sender.sendData([1] as Bytes, fin: false) == [0x02, 1, 1])
    #expect(throws: LocalProtocolError.self) { try sender.sendData("c") }
  }

  @Test("a control payload of 125 bytes is sent, one of 126 is refused (RFC 6455 §5.5)")
  func controlSizes() throws {
    let sender = FrameProtocol(client: false)
    let most = Bytes([UInt8](repeating: 1, count: 125))
    let tooMuch = Bytes([UInt8](repeating: 1, count: 126))
    #expect(try sender.ping(most).count == 127)
    #expect(try sender.pong(most).count == 127)
    for send in [sender.ping, sender.pong] {
      do throws(LocalProtocolError) {
        _ = try send(tooMuch)
        Issue.record("sent")
      } catch {
        #expect(error.violation == .controlPayloadTooLong)
      }
    }
  }

  @Test("the limits of the configuration are applied to a frame's header", .threat(3, 5))
  func limits() {
    let receiver = FrameProtocol(
      client: true,
      configuration: Configuration(limits: Limits(maxMessageBytes: 10))
    )
    receiver.receiveBytes(WireFrame(2, declaredLength: 11).header)
    let error = #expect(throws: ParseFailed.self) { try receiver.nextFrame() }
    #expect(error?.code == .messageTooBig)
  }

  @Test("sending is not checked against a Close")
  func afterClose() throws {
    let sender = FrameProtocol(client: false)
    #expect(try sender.close(code: nil) == [0x88, 0])
    #expect(try sender.sendData("x") == [0x81, 1, 0x78])
    #expect(sender.extensions.isEmpty && !sender.client)
  }

  @Test("RFC 6455 §5.4: a message inside another fails with its header, whatever its payload inflates to")
  func orderBeforePayload() throws {
    // The second frame doesn't have RSV1 set, so its byte would go to the first message's inflater.
    let wire: [UInt8] = [0x42, 0x05, 0x7a, 0x36, 0x7d, 0xe9, 0xb3, 0x00, 0x02, 0x39, 0x6b, 0x81, 0x01, 0x91]
    for pieces in [[wire], wire.map { [$0] }] {
      var deflate = PerMessageDeflate()
      try deflate.finalize(ExtensionHeader(name: PerMessageDeflate.name, parameters: []))
      let receiver = FrameProtocol(client: true, extensions: [deflate])
      let error = #expect(throws: ParseFailed.self) {
        for piece in pieces {
          receiver.receiveBytes(piece)
          _ = try receiver.receivedFrames()
        }
      }
      #expect(error?.code == .protocolError)
    }
  }
}
