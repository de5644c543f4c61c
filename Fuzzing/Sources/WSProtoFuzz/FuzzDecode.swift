// SPDX-License-Identifier: Apache-2.0

import WSProto
import WSProtoTestSupport

/// Streams of frames: the library, through every door and in any pieces, against the slow twin.
enum FuzzDecode {
  /// How bytes go in and events come out.
  enum Door: UInt8, CaseIterable {
    case owned, ownedAtTheEnd, borrowed, reading, borrowedThrowing, readingThrowing, mixed, trailing
  }

  struct Setting {
    var role: ConnectionType
    var delivery: MessageDelivery
    var door: Door
    var limits = Limits()
    var deflates: Bool
    var noContextTakeover: Bool
    var windowBits: Int
    var split: UInt8

    /// Four bytes.
    init(_ input: inout Input) {
      let first = input.byte()
      let second = input.byte()
      let amount = Int(input.byte())
      split = input.byte()
      role = first & 1 == 0 ? .server : .client
      delivery = first & 2 == 0 ? .chunks : .wholeMessages
      deflates = first & 4 != 0
      noContextTakeover = first & 8 != 0
      door = Door(rawValue: first >> 4 & 7) ?? .owned
      // Beyond a smaller window what a peer gets depends on the cuts, see InflateStream: no twin then.
      windowBits = second & 0xF0 == 0xF0 ? 8 + Int(second & 7) : 15
      switch second & 15 {
      case 8: limits.maxFramePayload = amount
      case 9: limits.maxMessageBytes = amount
      case 10: limits.maxMessageWireBytes = amount
      case 11: limits.maxMessageFragments = amount % 8
      case 12: limits = Limits(maxMessageBytes: amount)
      case 13:
        limits.maxFramePayload = amount * 2
        limits.maxMessageBytes = amount * 3
        limits.maxMessageWireBytes = amount * 4
      // A message that inflates to a lot costs time only.
      default: limits.maxMessageBytes = 1 << 20
      }
    }

    var hasTwin: Bool { !deflates || windowBits == 15 }

    func connect(trailing: ArraySlice<UInt8> = []) -> Connection {
      var extensions: [any Extension] = []
      if deflates {
        var deflate = PerMessageDeflate()
        var parameters: [ExtensionParameter] = []
        let sender = role == .server ? "client" : "server"
        if noContextTakeover { parameters.append(ExtensionParameter(name: "\(sender)_no_context_takeover")) }
        parameters.append(ExtensionParameter(name: "\(sender)_max_window_bits", value: "\(windowBits)"))
        let header = ExtensionHeader(name: PerMessageDeflate.name, parameters: parameters)
        switch role {
        case .server:
          if deflate.accept(header) == nil { fatalError("a legal offer was declined") }
        case .client:
          do { try deflate.finalize(header) } catch { fatalError("a legal answer was refused") }
        }
        extensions.append(deflate)
      }
      return Connection(
        role,
        extensions: extensions,
        trailingData: Bytes(trailing),
        configuration: Configuration(delivery: delivery, limits: limits)
      )
    }
  }

  static func run(_ input: inout Input) {
    let setting = Setting(&input)
    let stream = input.rest
    let inCuts = outcome(setting, cut(stream, by: setting.split))
    guard setting.hasTwin else {
      if !inCuts.violations.isEmpty { disagree("violations", setting, stream, inCuts, inCuts) }
      return
    }
    var inflater: InflateStream?
    if setting.deflates {
      do { inflater = try InflateStream() } catch { fatalError("no memory for zlib") }
    }
    var twin = SlowDecoder(
      setting.role,
      limits: setting.limits,
      inflater: inflater,
      resetsInflater: setting.noContextTakeover
    )
    var expected = twin.run(stream)
    if setting.delivery == .wholeMessages { expected = expected.wholeMessages }
    var plain = setting
    plain.door = .borrowed
    let whole = outcome(plain, cut(stream, by: 0))
    #if ISAL
    // ISA-L takes some codes that zlib, the twin's, refuses, and refuses others before zlib has read enough. Where one
    // of them refuses, the cuts alone must not matter.
    if setting.deflates, expected.code == 1007 || whole.code == 1007 { expected = whole }
    #endif
    if !inCuts.agrees(with: expected) { disagree("with the twin", setting, stream, inCuts, expected) }
    // The words of a failure are the library's own, but must not depend on the cuts either.
    if !whole.agrees(with: expected) {
      disagree("with the twin, in one piece", plain, stream, whole, expected)
    }
    if whole.reason != inCuts.reason { disagree("of the reasons", setting, stream, inCuts, whole) }
  }

  // MARK: The doors

  private struct Interruption: Error {}

  private static func outcome(_ setting: Setting, _ pieces: [ArraySlice<UInt8>]) -> Outcome {
    var collector = OutcomeCollector(wholeMessages: setting.delivery == .wholeMessages)
    var pieces = pieces[...]
    let trailing = setting.door == .trailing ? pieces.popFirst() ?? [] : []
    let connection = setting.connect(trailing: trailing)
    func takeEvents() { while let event = connection.nextEvent() { collector.add(event) } }
    func borrow(_ piece: ArraySlice<UInt8>) {
      withExactCopy(of: piece) { chunk in connection.receive(chunk) { event in collector.add(event) } }
    }
    func read(_ piece: ArraySlice<UInt8>) { connection.read(piece, into: &collector) }
    /// Only a closed connection refuses; there's nothing more to see then.
    func receive(_ piece: ArraySlice<UInt8>) { try? connection.receiveData(piece) }

    if setting.door == .trailing { takeEvents() }
    for (number, piece) in pieces.enumerated() {
      switch setting.door {
      case .ownedAtTheEnd: receive(piece)
      case .owned, .trailing:
        receive(piece)
        takeEvents()
      case .borrowed: borrow(piece)
      case .reading: read(piece)
      case .borrowedThrowing:
        var isFirst = true
        var goesOn = true
        while goesOn {
          goesOn = false
          withExactCopy(of: isFirst ? piece : []) { chunk in
            do throws(Interruption) {
              try connection.receive(chunk) { (event) throws(Interruption) in
                collector.add(event)
                throw Interruption()
              }
            } catch { goesOn = true }
          }
          isFirst = false
        }
      case .readingThrowing:
        var rest = piece
        var goesOn = true
        while goesOn {
          goesOn = false
          do throws(Interruption) {
            _ = try connection.receive(
              upTo: piece.count,
              reading: { (room) throws(Interruption) -> Int in
                room.copyBytes(from: rest)
                defer { rest = [] }
                return rest.count
              },
              { (event) throws(Interruption) in
                collector.add(event)
                throw Interruption()
              }
            )
          } catch { goesOn = true }
        }
      case .mixed:
        switch number % 3 {
        case 0: borrow(piece)
        case 1:
          receive(piece)
          takeEvents()
        default: read(piece)
        }
      }
    }
    takeEvents()
    return collector.finished
  }

  // MARK: Seeds

  static func seeds() -> [[UInt8]] {
    var random = SeededRandom(6455)
    var seeds: [[UInt8]] = []
    for number in 0..<512 {
      var choices = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
      // Most with the limits that let everything through, and no small window.
      if number % 4 != 0 { choices[1] = 0 }
      choices[0] &= ~8
      var input = Input(choices)
      let setting = Setting(&input)
      let deflater = setting.deflates ? try? DeflateStream() : nil
      var generator = StreamGenerator(random, receiver: setting.role, deflater: deflater)
      seeds.append(choices + generator.stream())
      random = generator.random
    }
    return seeds
  }
}
