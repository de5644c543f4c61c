// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

/// Extensions in any combination and order: up to four, permessage-deflate among them or not.
///
/// What must hold: what one end sends the other gets, where no extension refuses or changes it; the same events for any
/// pieces and any door, whatever was sent, damaged frames too; a refused message has changed nothing.
enum FuzzCombinations {
  private enum One {
    case deflate(noContextTakeover: Bool, threshold: Int)
    case meddler(Meddler)
  }

  private struct Setting {
    var receiver: ConnectionType
    var delivery: MessageDelivery
    var limits: Limits
    var list: [One] = []
    var isReversible = true

    init(_ input: inout Input) {
      let choice = input.byte()
      receiver = choice & 1 == 0 ? .server : .client
      delivery = choice & 2 == 0 ? .chunks : .wholeMessages
      let refuses = choice & 4 != 0
      var compresses = 0
      for number in 0...(choice >> 4 & 3) {
        if input.byte() & 3 == 0 {
          // One that is beside another takes the message to be compressed by both.
          list.append(.deflate(noContextTakeover: choice & 8 != 0, threshold: compresses == 0 ? 0 : 3))
          compresses += 1
        } else {
          let meddler = Meddler(&input, number: Int(number), refuses: refuses)
          isReversible = isReversible && meddler.isReversible
          list.append(.meddler(meddler))
        }
      }
      if compresses > 1 { isReversible = false }
      limits = choice & 0x80 == 0 ? Limits(maxMessageBytes: 1 << 18) : Limits(&input, negative: false)
      if choice & 0x80 != 0 { isReversible = false }
    }

    func connect(_ role: ConnectionType, _ delivery: MessageDelivery) -> Connection {
      Connection(
        role,
        extensions: list.map { one in
          switch one {
          case .deflate(let noContextTakeover, let threshold):
            negotiatedDeflate(role, noContextTakeover: noContextTakeover, threshold: threshold)
          case .meddler(let meddler): meddler
          }
        },
        configuration: Configuration(
          delivery: delivery,
          limits: limits,
          randomSource: RandomSource { room in for index in room.indices { room[index] = UInt8(index & 0xFF) }
          }
        )
      )
    }
  }

  static func run(_ input: inout Input) {
    let setting = Setting(&input)
    let (split, door) = (input.byte(), input.byte())
    let sender = setting.connect(setting.receiver.peer, .chunks)
    var grammar = FrameGrammar(receiver: setting.receiver)
    var stream: [UInt8] = []
    var sent = Outcome()
    var isReversible = setting.isReversible
    var partial: [UInt8] = []
    var isText: Bool?
    var count = 0
    while !input.isEmpty, count < 24, stream.count < 1 << 18 {
      count += 1
      let kind = input.byte()
      if kind & 7 == 7 {
        // A frame that no extension has seen.
        stream += grammar.frame(&input)
        isReversible = false
        continue
      }
      // Some slices long; every extension goes over each byte.
      let payload = Array(grammar.payload(&input, kind >> 4).prefix(3000))
      let fin = kind & 8 == 0
      let compress = kind & 0x80 == 0
      let before = stream.count
      do throws(LocalProtocolError) {
        switch kind & 7 {
        case 0, 1, 2, 3:
          let text = isText ?? (kind & 1 == 0)
          let string = String(decoding: payload, as: UTF8.self)
          let event: Event =
            text
            ? .textMessage(TextMessage(data: string, messageFinished: fin, compress: compress))
            : .bytesMessage(BytesMessage(data: Bytes(payload), messageFinished: fin, compress: compress))
          try sender.send(event, into: &stream)
          partial += text ? Array(string.utf8) : payload
          isText = text
          if fin {
            sent.entries.append(
              Outcome.Entry(text ? .text(String(decoding: partial, as: UTF8.self)) : .bytes(partial))
            )
            (partial, isText) = ([], nil)
          }
        default:
          let short = Array(payload.prefix(125))
          try sender.send(Ping(payload: Bytes(short)), into: &stream)
          sent.entries.append(Outcome.Entry(.ping(short), deliveredBefore: partial.count))
        }
      } catch {
        if error.violation != .extension || stream.count != before {
          disagree("a refusal", [("setting", setting), ("error", error)])
        }
        // What the extensions did before one refused is theirs.
        isReversible = false
      }
    }
    if !partial.isEmpty {
      sent.partial = isText == true ? .text(String(decoding: partial, as: UTF8.self)) : .bytes(partial)
    }
    compare(setting, stream, split, door, isReversible ? sent : nil)
  }

  private static func compare(
    _ setting: Setting,
    _ stream: [UInt8],
    _ split: UInt8,
    _ door: UInt8,
    _ sent: Outcome?
  ) {
    let whole = receive(setting, cut(stream, by: 0), 0)
    let inCuts = receive(setting, cut(stream, by: split), door)
    let details: [(String, Any)] = [("setting", setting), ("stream", stream), ("whole", whole)]
    if whole != inCuts { disagree("by the cuts", details + [("cut", inCuts)]) }
    guard var sent else { return }
    if setting.delivery == .wholeMessages { sent = sent.wholeMessages }
    // How much of a message an extension has let through before a control frame is its own matter.
    let isSame =
      sent.wholeMessages.entries == whole.wholeMessages.entries && sent.partial == whole.partial
      && whole.code == nil
    if !isSame {
      disagree("sent and received", details + [("sent", sent)])
    }
  }

  private static func receive(_ setting: Setting, _ pieces: [ArraySlice<UInt8>], _ door: UInt8) -> Outcome {
    let connection = setting.connect(setting.receiver, setting.delivery)
    var collector = OutcomeCollector(wholeMessages: setting.delivery == .wholeMessages)
    for piece in pieces {
      switch door & 3 {
      case 0, 1:
        withExactCopy(of: piece) { chunk in connection.receive(chunk) { event in collector.add(event) } }
      case 2:
        try? connection.receiveData(piece)
        while let event = connection.nextEvent() { collector.add(event) }
      default:
        connection.read(piece, into: &collector)
      }
    }
    while let event = connection.nextEvent() { collector.add(event) }
    return collector.finished
  }

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(9)
    return (0..<192).map { number in
      [UInt8(truncatingIfNeeded: number &* 3)] + random.bytes(24 + number % 160)
    }
  }
}
