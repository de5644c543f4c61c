// SPDX-License-Identifier: Apache-2.0

import WSProto

// Headers, and what is odd about them (RFC 6455 §5.2).
extension FrameWalker {
  mutating func takeHead(_ rest: inout ArraySlice<UInt8>, _ each: (Event) -> Void) {
    while let byte = rest.popFirst() {
      collected.append(byte)
      offset += 1
      guard let second = collected[...].byte(1), collected.count == FrameHead.size(secondByte: second),
        let head = FrameHead(collected[...])
      else { continue }
      let bytes = collected
      collected.removeAll(keepingCapacity: true)
      return open(head, bytes, each)
    }
  }

  mutating func open(_ head: FrameHead, _ bytes: [UInt8], _ each: (Event) -> Void) {
    let start = offset - head.size
    if decoder == nil { renewDecoder(.betweenMessages) }
    let record = FrameRecord(number: frames + 1, offset: start, head: head, payload: [])
    current = Current(record: record, remaining: head.payloadLength)
    guard judge(bytes, at: start, each) else { return }
    frames += 1
    guard head.isControl || enterSequence(each) else { return }
    if confirmed != nil { reportPassed(each) }
    observe(head, at: start, each)
    readParts(each)
  }

  /// Has the decoder judge a header. Returns whether it may go on; where it may not, the walker has stopped or searches.
  mutating func judge(_ header: [UInt8], at start: Int, _ each: (Event) -> Void) -> Bool {
    if decoder == nil { renewDecoder(.betweenMessages) }
    guard let decoder else { return false }
    do throws(ParseFailed) {
      decoder.receiveBytes(header)
      pendingPart = try decoder.processBuffer()
      return true
    } catch {
      if let confirmed, confirmed < 2 {
        // The beginning was guessed, and wrong.
        let refused = current?.record.offset ?? start
        search()
        passedFrom = refused
        passed = offset - refused
        return false
      }
      if var record = current?.record {
        record.payload = []
        each(.frame(record))
      }
      current = nil
      state = .stopped
      each(.finding(Finding(error, at: start + Rule(error).headerByte, stops: true)))
      return false
    }
  }

  mutating func observe(_ head: FrameHead, at start: Int, _ each: (Event) -> Void) {
    if let key = head.maskingKey, head.payloadLength > 0 {
      if key == 0 {
        each(
          .finding(.oddity("zero-mask", "RFC 6455 §5.3", at: start, "a masking key of zero changes nothing"))
        )
      } else if key == lastKey {
        each(
          .finding(
            .oddity("repeated-mask", "RFC 6455 §5.3", at: start, "the masking key of the frame before")
          )
        )
      }
      lastKey = key
    }
    if let closeEnd {
      if !head.isControl {
        each(
          .finding(
            .violation(
              "data-after-close",
              "RFC 6455 §5.5.1",
              at: start,
              "a data frame after the Close at byte \(closeEnd)"
            )
          )
        )
      } else {
        each(
          .finding(
            .oddity(
              "frame-after-close",
              "RFC 6455 §5.5.1",
              at: start,
              "a \(head.opcodeName) frame after the Close"
            )
          )
        )
      }
    }
    if head.meaning == .text || head.meaning == .binary {
      if head.rsv.rsv1 {
        hasSeenCompression = true
      } else if case .deflate = coding {
        oddityUncompressed(head, start, each)
      } else if case .unknownHistory = coding, hasSeenCompression {
        oddityUncompressed(head, start, each)
      }
    }
    let isWholeMessage = head.fin && head.opcode != 0
    if head.payloadLength == 0, !head.isControl, !isWholeMessage {
      let what = head.fin ? "the last fragment of a message is empty" : "an empty fragment"
      each(.finding(.oddity("empty-fragment", "RFC 6455 §5.4", at: start, what)))
    }
  }

  func oddityUncompressed(_ head: FrameHead, _ start: Int, _ each: (Event) -> Void) {
    let what = "a message that is not compressed, where permessage-deflate is in use"
    each(.finding(.oddity("uncompressed-message", "RFC 7692 §6", at: start, what)))
  }
}
