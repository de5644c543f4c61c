// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// What a message holds.
enum PayloadKind: String, ExpressibleByArgument, CaseIterable {
  /// Random bytes.
  case binary
  /// Words of ASCII letters.
  case ascii
  /// Scalars of 1, 2, 3 and 4 bytes, each as likely, in random order.
  case mixed
  /// Words of two-byte letters, spaces between them.
  case cyrillic
  /// Three-byte ideographs with now and then a full stop of the same length.
  case cjk
  /// Records of a JSON array: what compression meets in practice.
  case json

  var opcode: UInt8 { self == .binary ? 2 : 1 }
}

/// SplitMix64: small, and the same on every platform.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}

/// Messages of one kind and one size, each cut from a pool at a different place, text always well-formed.
struct PayloadSource {
  private let size: Int
  private let pool: [UInt8]
  private var message: [UInt8]
  private var position = 0
  private let isText: Bool

  init(kind: PayloadKind, size: Int, random: inout SplitMix64) {
    self.size = size
    isText = kind != .binary
    pool = Self.fill(kind, count: max(1 << 20, 4 * size) + 4, random: &random)
    message = []
    message.reserveCapacity(size + 4)
  }

  /// The next message. Text starts at a scalar and is topped up with spaces where the last one does not fit.
  mutating func next(_ random: inout SplitMix64) -> ArraySlice<UInt8> {
    if position + size + 4 > pool.count { position = 0 }
    // A small random step, so that messages do not repeat in one period.
    position += random.below(min(64, pool.count - size - position))
    while isText, position > 0, pool[position] & 0xC0 == 0x80 { position -= 1 }
    var end = position + size
    guard isText else {
      defer { position = end }
      return pool[position..<end]
    }
    while end > position, end < pool.count, pool[end] & 0xC0 == 0x80 { end -= 1 }
    message.removeAll(keepingCapacity: true)
    message += pool[position..<end]
    while message.count < size { message.append(0x20) }
    position = end
    return message[...]
  }

  private static func fill(_ kind: PayloadKind, count: Int, random: inout SplitMix64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 256)
    var untilSpace = 5
    var record = 0
    func append(_ value: Int) {
      guard let scalar = Unicode.Scalar(UInt32(value)) else { return }
      bytes += Array(String(Character(scalar)).utf8)
    }
    while bytes.count < count {
      switch kind {
      case .binary:
        let word = random.next()
        for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
      case .ascii, .cyrillic:
        untilSpace -= 1
        if untilSpace == 0 {
          bytes.append(0x20)
          untilSpace = 2 + random.below(9)
        } else {
          append(kind == .ascii ? 0x61 + random.below(26) : 0x430 + random.below(32))
        }
      case .cjk:
        append(random.below(30) == 0 ? 0x3002 : 0x4E00 + random.below(0x5000))
      case .mixed:
        switch random.below(4) {
        case 0: append(0x20 + random.below(0x5F))
        case 1: append(0x80 + random.below(0x780))
        case 2: append(0x800 + random.below(0xD000))
        default: append(0x10000 + random.below(0x100000))
        }
      case .json:
        record += 1
        bytes += Array(jsonRecord(record, random: &random).utf8)
      }
    }
    // A whole scalar at the end: cut back to the last lead byte.
    var end = count
    while kind != .binary, end > 0, end < bytes.count, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    bytes.removeSubrange(end...)
    return bytes
  }

  private static func jsonRecord(_ id: Int, random: inout SplitMix64) -> String {
    let names = ["Aoife", "Bartosz", "Chidi", "Dilnoza", "Emre", "Freya", "Goran", "Hanako", "Iker", "Joana"]
    let actions = [
      "order.created", "order.paid", "order.shipped", "cart.updated", "user.login", "user.logout",
    ]
    let cities = ["Lisbon", "Nairobi", "Osaka", "Quito", "Riga", "Tampere", "Utrecht", "Valencia"]
    let price = random.below(100_000)
    let token = String(random.next(), radix: 36) + String(random.next(), radix: 36)
    let words = [
      "late", "fragile", "gift", "second", "floor", "ring", "twice", "leave", "with", "neighbour", "blue",
    ]
    let note = (0..<4).map { _ in words[random.below(words.count)] }.joined(separator: " ")
    return """
      {"id":\(id + 48_210_000),"event":"\(actions[random.below(6)])","user":{"id":\(random.below(900_000)),\
      "name":"\(names[random.below(10)])","city":"\(cities[random.below(8)])"},\
      "price":\(price / 100).\(price % 100),"quantity":\(1 + random.below(9)),\
      "at":"2026-03-\(10 + random.below(20))T\(10 + random.below(14)):\(10 + random.below(50)):\(10 + random.below(50))Z",\
      "token":"\(token)","note":"\(note)","tags":["web",\(random.below(2) == 0 ? "\"mobile\"" : "\"desktop\"")],"ok":\(random.below(20) != 0)},

      """
  }
}
