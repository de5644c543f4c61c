// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

/// Turns the bytes of an input into frames, legal ones mostly: blind bytes seldom get behind the first header.
///
/// A byte says the kind of frame and its shape, the bytes behind it what else there is to choose.
struct FrameGrammar {
  let receiver: ConnectionType
  /// Compresses some messages, for a connection with permessage-deflate.
  let deflater: DeflateStream?
  private var isInside = false

  init(receiver: ConnectionType, deflater: DeflateStream? = nil) {
    self.receiver = receiver
    self.deflater = deflater
  }

  /// As many frames as the input tells, to its end or to `most`.
  mutating func stream(_ input: inout Input, atMost most: Int = 40) -> [UInt8] {
    var bytes: [UInt8] = []
    var count = 0
    while !input.isEmpty, count < most, bytes.count < 1 << 18 {
      bytes += frame(&input)
      count += 1
    }
    return bytes
  }

  mutating func frame(_ input: inout Input) -> [UInt8] {
    let choice = input.byte()
    let fin = choice & 8 == 0
    var frame: WireFrame
    switch choice & 7 {
    case 0, 1, 2:
      // The opcode that is legal here, unless the kind is 2.
      let opcode = isInside != (choice & 7 == 2) ? WireOpcode.continuation : WireOpcode.text + (choice & 1)
      frame = WireFrame(to: receiver, opcode, payload(&input, choice >> 4), fin: fin)
      if choice >> 4 & 7 == 7, opcode != WireOpcode.continuation, compress(&frame) { frame.rsv = 4 }
      isInside = !fin
    case 3: frame = WireFrame(to: receiver, WireOpcode.ping, Array(payload(&input, choice >> 4).prefix(125)))
    case 4: frame = WireFrame(to: receiver, WireOpcode.pong, Array(payload(&input, choice >> 4).prefix(125)))
    case 5:
      let codes: [UInt16] = [1000, 1001, 1005, 1006, 1007, 1014, 1015, 1016, 2999, 3000, 4999, 5000]
      let payload = closePayload(input.pick(codes)) + payload(&input, choice >> 4).prefix(123)
      frame = WireFrame(to: receiver, WireOpcode.close, choice & 8 == 0 ? payload : Array(payload.prefix(1)))
      if choice & 0x80 != 0 { frame.payload = [] }
    case 6: return input.bytes(1 + Int(choice >> 3))
    default:
      frame = WireFrame(to: receiver, choice >> 4, fin: fin)
      let flaw = input.byte()
      frame.payload = payload(&input, flaw)
      switch flaw & 7 {
      case 0: frame.rsv = flaw >> 5
      case 1: frame.mask = frame.mask == nil ? [1, 2, 3, 4] : nil
      case 2: frame.form = LengthForm.allCases[Int(flaw >> 4) % LengthForm.allCases.count]
      case 3:
        let lengths: [UInt64] = [
          0, 125, 126, 127, 65535, 65536, 1 << 20, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63,
          .max - 3,
          .max,
        ]
        frame.declaredLength = lengths[Int(flaw >> 3) % lengths.count]
      case 4: if let first = frame.mask?.first { frame.mask = [first, 0, 0, 0] }
      case 5: frame.rsv = 4
      default: break
      }
    }
    return frame.bytes
  }

  /// Of a few bytes that say themselves, of one byte over and over, of text.
  func payload(_ input: inout Input, _ shape: UInt8) -> [UInt8] {
    switch shape & 3 {
    case 0: return input.bytes(input.below(48))
    case 1: return []
    case 2:
      // Long ones cost time and seldom matter.
      let lengths = [1, 2, 124, 125, 126, 127, 128, 255, 256, 1023, 1024, 1025]
      let long = [4096, 16383, 65535, 65536, 70000]
      let choice = Int(input.byte())
      let length = choice < 245 ? lengths[choice % lengths.count] : long[choice % long.count]
      return [UInt8](repeating: input.byte(), count: length)
    default:
      let alphabet: [Unicode.Scalar] = ["a", "é", "€", "😀", "\u{7F}", "\u{7FF}", "\u{FFFF}", "\u{10FFFF}"]
      var text = ""
      for _ in 0..<input.below(24) { text.unicodeScalars.append(input.pick(alphabet)) }
      return Array(text.utf8)
    }
  }

  private func compress(_ frame: inout WireFrame) -> Bool {
    guard let deflater else { return false }
    var output = AssemblyBuffer()
    let fin = frame.fin
    let made: Void? = try? frame.payload.withUnsafeBytes {
      try deflater.compress($0, finishMessage: fin, into: &output)
    }
    guard made != nil else { return false }
    frame.payload = [UInt8](output.take())
    return true
  }
}

extension Limits {
  /// The defaults in half of the cases; else any of them, with extreme values.
  init(_ input: inout Input, negative: Bool = true) {
    self.init()
    // What inflates to a lot costs time only.
    maxMessageBytes = 1 << 20
    let choice = input.byte()
    guard choice & 1 == 1 else { return }
    func value(_ input: inout Input) -> Int {
      let amount = Int(input.byte())
      switch amount {
      case 255: return .max
      case 254: return negative ? .min : .max
      case 253: return negative ? -1 : 0
      case 252: return .max - 1
      case 128...: return (amount - 127) * 600
      default: return amount
      }
    }
    if choice & 2 != 0 { maxFramePayload = value(&input) }
    if choice & 4 != 0 { maxMessageWireBytes = value(&input) }
    if choice & 8 != 0 { maxMessageBytes = min(1 << 20, value(&input)) }
    if choice & 16 != 0 { maxMessageFragments = value(&input) }
    if choice & 32 != 0 { maxPartBytes = value(&input) }
    if choice & 64 != 0 { maxHeadBytes = value(&input) }
    if choice & 64 != 0 { maxHeadFields = value(&input) }
    if choice & 128 != 0 { maxEarlyBytes = value(&input) }
  }
}

/// permessage-deflate as negotiated between a client and a server: windows of 15 bits.
func negotiatedDeflate(
  _ role: ConnectionType,
  noContextTakeover: Bool,
  threshold: Int = 0
) -> PerMessageDeflate {
  do {
    var deflate = try PerMessageDeflate(
      clientNoContextTakeover: noContextTakeover,
      clientMaxWindowBits: .absent,
      serverNoContextTakeover: noContextTakeover,
      level: 1,
      memoryLevel: 1,
      threshold: threshold
    )
    var parameters: [ExtensionParameter] = []
    if noContextTakeover {
      for sender in ["client", "server"] {
        parameters.append(ExtensionParameter(name: "\(sender)_no_context_takeover"))
      }
    }
    let header = ExtensionHeader(name: PerMessageDeflate.name, parameters: parameters)
    switch role {
    case .server: if deflate.accept(header) == nil { fatalError("a legal offer was declined") }
    case .client: try deflate.finalize(header)
    }
    return deflate
  } catch { fatalError("a legal negotiation has failed: \(error)") }
}
