// SPDX-License-Identifier: Apache-2.0

#if NIO
import NIOConcurrencyHelpers
import Testing

@testable import WSProtoNIO

@Suite("Messages under way")
struct MessagesUnderWayTests {
  private struct Entry {
    let id: MessagesUnderWay.ID
    let began: Duration
    var bytes: Int
  }

  /// Small random numbers, the same ones for a seed.
  private struct Numbers {
    var state: UInt64

    mutating func next(below bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
  }

  @Test("are given up as a plain list would do it, the first ones first", .threat(26), arguments: 0..<100)
  func model(seed: Int) {
    var numbers = Numbers(state: UInt64(seed))
    var messages = MessagesUnderWay()
    var list: [Entry] = []
    var gone: [MessagesUnderWay.ID] = []
    let told = NIOLockedValueBox<[MessagesUnderWay.ID]>([])
    for time in 0..<500 {
      let now = Duration.seconds(time)
      switch numbers.next(below: 8) {
      case 0, 1, 2:
        let id = messages.append(began: now) { id in told.withLockedValue { $0.append(id) } }
        list.append(Entry(id: id, began: now, bytes: 0))
      case 3, 4:
        guard !list.isEmpty else { continue }
        let index = numbers.next(below: list.count)
        let bytes = numbers.next(below: 10)
        list[index].bytes += bytes
        messages.add(bytes, to: list[index].id)
      case 5:
        guard !list.isEmpty else { continue }
        let entry = list.remove(at: numbers.next(below: list.count))
        #expect(messages.remove(entry.id) == entry.bytes)
        gone.append(entry.id)
      default:
        let limit = Duration.seconds(time - numbers.next(below: 20))
        let asking = list.isEmpty ? nil : list[numbers.next(below: list.count)].id
        let bytes = 1 + numbers.next(below: 30)
        // Never earlier than before, as with a clock.
        let old = list.prefix { $0.began <= limit || messages.isOld($0.id) }
        let candidates = old.filter { $0.id != asking }
        var expected: [MessagesUnderWay.ID] = []
        if candidates.reduce(0, { $0 + $1.bytes }) >= bytes {
          var free = 0
          for entry in candidates where free < bytes {
            free += entry.bytes
            expected.append(entry.id)
          }
        }
        let givenUp = messages.giveUp(bytes, begunBy: limit, for: asking)
        for one in givenUp { one.tell() }
        #expect(told.withLockedValue { $0 } == expected)
        #expect(givenUp.reduce(0) { $0 + $1.bytes } >= (expected.isEmpty ? 0 : bytes))
        told.withLockedValue { $0 = [] }
        list.removeAll { expected.contains($0.id) }
        gone += expected
      }
      #expect(messages.count == list.count)
    }
    for id in gone {
      #expect(!messages.contains(id))
      #expect(messages.remove(id) == 0)
    }
    for entry in list { #expect(messages.remove(entry.id) == entry.bytes) }
    #expect(messages.count == 0 && messages.oldBytes == 0)
  }

  @Test("make room in thousands, each of a few bytes", .threat(26))
  func many() {
    var messages = MessagesUnderWay()
    let told = Counter()
    let ids = (0..<10_000).map { number in
      let id = messages.append(began: .seconds(number)) { _ in told.add(1) }
      messages.add(3, to: id)
      return id
    }
    #expect(messages.giveUp(30_001, begunBy: .seconds(10_000), for: nil).isEmpty)
    for one in messages.giveUp(15_000, begunBy: .seconds(10_000), for: ids[0]) { one.tell() }
    #expect(told.count == 5000)
    #expect(messages.contains(ids[0]) && !messages.contains(ids[5000]) && messages.contains(ids[5001]))
    #expect(messages.oldBytes == 15_000)
  }
}
#endif
