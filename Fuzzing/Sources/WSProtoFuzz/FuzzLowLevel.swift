// SPDX-License-Identifier: Apache-2.0

import WSProtoTestSupport

@testable import WSProto

/// The low-level classes against `Connection`.
///
/// What must hold for any frames in any pieces: `FrameProtocol` gives the events of a connection, so does a
/// `FrameDecoder` with a `MessageDecoder` behind it, but for the code where two rules are violated at once, and what
/// `FrameProtocol` sends is what a connection sends.
enum FuzzLowLevel {
  private struct Setting {
    var role: ConnectionType
    var limits: Limits
    var deflates: Bool
    var noContextTakeover: Bool
    var meddler: Meddler?
    var split: UInt8

    init(_ input: inout Input) {
      let choice = input.byte()
      split = input.byte()
      role = choice & 1 == 0 ? .server : .client
      deflates = choice & 2 != 0
      noContextTakeover = choice & 4 != 0
      limits = Limits(&input)
      if choice & 0x18 == 0x18 { meddler = Meddler(&input, number: 0, refuses: true) }
    }

    var extensions: [any Extension] {
      var list: [any Extension] = []
      if deflates { list.append(negotiatedDeflate(role, noContextTakeover: noContextTakeover)) }
      if let meddler { list.append(meddler) }
      return list
    }

    var configuration: Configuration {
      Configuration(
        limits: limits,
        randomSource: RandomSource { room in for index in room.indices { room[index] = 0xA5 } }
      )
    }
  }

  static func run(_ input: inout Input) {
    let setting = Setting(&input)
    let sends = input.byte() & 3 == 3
    let deflater = setting.deflates ? try? DeflateStream(DeflateSettings(level: 1, memoryLevel: 1)) : nil
    var grammar = FrameGrammar(receiver: setting.role, deflater: deflater)
    if sends { return compareSent(setting, grammar, &input) }
    let stream = grammar.stream(&input)
    let connection = Connection(
      setting.role,
      extensions: setting.extensions,
      configuration: setting.configuration
    )
    var collector = OutcomeCollector(wholeMessages: false)
    withExactCopy(of: stream) { chunk in connection.receive(chunk) { event in collector.add(event) } }
    let expected = collector.finished
    let pieces = cut(stream, by: setting.split)
    let frames = throughFrameProtocol(setting, pieces)
    if frames != expected { disagree("FrameProtocol", setting, stream, frames, expected) }
    let decoded = throughDecoders(setting, pieces)
    if !isAlike(decoded, expected) { disagree("FrameDecoder", setting, stream, decoded, expected) }
  }

  /// The connection looks at the order of frames before their size and their contents, the frame decoder can't: where
  /// the order is violated it may have found something else first, or still wait for the frame.
  private static func isAlike(_ decoded: Outcome, _ expected: Outcome) -> Bool {
    if decoded == expected { return true }
    if decoded.code == 1007, expected.code == 1007 {
      // A MessageDecoder gives nothing of the part that is not UTF-8.
      var (left, right) = (decoded, expected)
      (left.partial, right.partial) = (nil, nil)
      return left == right
    }
    guard expected.code == 1002 else { return false }
    switch decoded.code {
    case nil, 1002, 1003, 1007, 1008, 1009, 1010:
      return decoded.entries == expected.entries && decoded.violations == expected.violations
    default: return false
    }
  }

  private static func throughFrameProtocol(_ setting: Setting, _ pieces: [ArraySlice<UInt8>]) -> Outcome {
    let frames = FrameProtocol(
      client: setting.role == .client,
      extensions: setting.extensions,
      configuration: setting.configuration
    )
    var collector = OutcomeCollector(wholeMessages: false)
    for piece in pieces {
      frames.receiveBytes(piece)
      var failed: ParseFailed?
      do throws(ParseFailed) {
        while let frame = try frames.nextFrame() { add(frame, to: &collector) }
      } catch { failed = error }
      guard let failed else { continue }
      collector.end(failed.code.rawValue, failed.message)
      // Again on every later call, and nothing more.
      frames.receiveBytes([0x89, 0x00])
      do throws(ParseFailed) {
        _ = try frames.nextFrame()
        fatalError("a frame behind a failure")
      } catch { if error != failed { fatalError("another failure") } }
      break
    }
    return collector.finished
  }

  private static func throughDecoders(_ setting: Setting, _ pieces: [ArraySlice<UInt8>]) -> Outcome {
    let decoder = FrameDecoder(
      client: setting.role == .client,
      extensions: setting.extensions,
      limits: setting.limits
    )
    var messages = MessageDecoder()
    var collector = OutcomeCollector(wholeMessages: false)
    do throws(ParseFailed) {
      for piece in pieces {
        decoder.receiveBytes(piece)
        while let frame = try decoder.processBuffer() {
          if frame.opcode == .close {
            guard case .bytes(let payload) = frame.payload else { fatalError("a Close that is no bytes") }
            let code = try payload.withUnsafeBytes { (bytes) throws(ParseFailed) in
              try ClosePayload.parse(bytes)
            }
            collector.end(code.rawValue, String(decoding: payload.dropFirst(2), as: UTF8.self))
            return collector.finished
          }
          add(frame.opcode.isControl ? frame : try messages.processFrame(frame), to: &collector)
        }
      }
    } catch { collector.end(error.code.rawValue, error.message) }
    return collector.finished
  }

  private static func add(_ frame: Frame, to collector: inout OutcomeCollector) {
    switch (frame.opcode, frame.payload) {
    case (.ping, .bytes(let payload)): collector.control(.ping(Array(payload)))
    case (.pong, .bytes(let payload)): collector.control(.pong(Array(payload)))
    case (.close, .close(let code, let reason)): collector.end(code.rawValue, reason)
    case (.text, .text(let text)):
      // What is empty and ends nothing says nothing; a MessageDecoder gives it all the same.
      if text.isEmpty, !frame.frameFinished { return }
      collector.message(
        text: true,
        Array(text.utf8),
        frameFinished: frame.frameFinished,
        messageFinished: frame.frameFinished && frame.messageFinished
      )
    case (.binary, .bytes(let payload)):
      collector.message(
        text: false,
        Array(payload),
        frameFinished: frame.frameFinished,
        messageFinished: frame.frameFinished && frame.messageFinished
      )
    default: disagree("a frame of another kind", [("frame", frame)])
    }
  }

  // MARK: Sending

  private static func compareSent(_ setting: Setting, _ grammar: FrameGrammar, _ input: inout Input) {
    let connection = Connection(
      setting.role,
      extensions: setting.extensions,
      configuration: setting.configuration
    )
    let frames = FrameProtocol(
      client: setting.role == .client,
      extensions: setting.extensions,
      configuration: setting.configuration
    )
    var count = 0
    while !input.isEmpty, count < 40, connection.state == .open {
      count += 1
      let kind = input.byte()
      let payload = Bytes(grammar.payload(&input, kind >> 4))
      let fin = kind & 8 == 0
      let text = String(decoding: payload, as: UTF8.self)
      let code: CloseReason = kind & 0x80 == 0 ? .goingAway : CloseReason(UInt16(input.byte()) * 20)
      let one = Result { () throws(LocalProtocolError) in
        switch kind & 7 {
        case 0, 1: try connection.send(TextMessage(data: text, messageFinished: fin))
        case 2, 3: try connection.send(BytesMessage(data: payload, messageFinished: fin))
        case 4, 5: try connection.send(Ping(payload: payload))
        case 6: try connection.send(Pong(payload: payload))
        default: try connection.send(CloseConnection(code: code, reason: fin ? text : nil))
        }
      }
      let other = Result { () throws(LocalProtocolError) in
        switch kind & 7 {
        case 0, 1: try frames.sendData(text, fin: fin)
        case 2, 3: try frames.sendData(payload, fin: fin)
        case 4, 5: try frames.ping(payload)
        case 6: try frames.pong(payload)
        default: try frames.close(code: code, reason: fin ? text : nil)
        }
      }
      if one != other {
        disagree("sent", [("setting", setting), ("connection", one), ("FrameProtocol", other)])
      }
    }
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(5)
    return (0..<192).map { number in
      [
        UInt8(number & 31), UInt8(truncatingIfNeeded: number * 37), number % 4 == 0 ? 0xFF : 0,
        UInt8(number % 5),
      ]
        + random.bytes(30 + number % 160)
    }
  }
}
