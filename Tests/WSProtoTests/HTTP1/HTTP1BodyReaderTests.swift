// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import WSProto

@Suite struct HTTP1BodyReaderTests {
  struct Outcome: Equatable {
    var data: [UInt8] = []
    var rest: [UInt8] = []
    var isFinished = false
    var error: HTTP1Error?
  }

  /// Feeds `bytes` in pieces of `size`, then, if asked for, the end of the stream.
  private func read(
    _ bytes: [UInt8],
    _ framing: HTTP1Framing,
    pieces size: Int = .max,
    limits: HTTP1Limits = HTTP1Limits(),
    endsStream: Bool = false
  ) -> Outcome {
    var outcome = Outcome()
    var reader = HTTP1BodyReader(framing, limits: limits)
    var rest = bytes[...]
    do throws(HTTP1Error) {
      while true {
        var piece = rest.prefix(size)
        let offered = piece.count
        reading: while true {
          switch try reader.next(&piece) {
          case .data(let data):
            #expect(!data.isEmpty)
            outcome.data += data
          case .finished:
            outcome.isFinished = true
            break reading
          case .needMoreData:
            #expect(piece.isEmpty)
            break reading
          }
        }
        rest = rest.dropFirst(offered - piece.count)
        if outcome.isFinished || rest.isEmpty { break }
      }
      if endsStream { try reader.endOfStream() }
      outcome.isFinished = reader.isFinished
      outcome.rest = Array(rest)
    } catch {
      outcome.error = error
    }
    return outcome
  }

  private func read(_ text: String, _ framing: HTTP1Framing) -> Outcome {
    let whole = read(Array(text.utf8), framing)
    #expect(read(Array(text.utf8), framing, pieces: 1) == whole)
    return whole
  }

  @Test("Content-Length is respected, and what follows is left (RFC 9112 §6.2)")
  func counted() {
    #expect(
      read("hello, rest", .contentLength(5))
        == Outcome(data: Array("hello".utf8), rest: Array(", rest".utf8), isFinished: true)
    )
    #expect(read("hell", .contentLength(5)) == Outcome(data: Array("hell".utf8)))
    #expect(read("rest", .contentLength(0)) == Outcome(rest: Array("rest".utf8), isFinished: true))
    #expect(read("rest", .contentLength(-1)) == Outcome(rest: Array("rest".utf8), isFinished: true))
    #expect(read("hi", .contentLength(.max)) == Outcome(data: Array("hi".utf8)))
    #expect(read("rest", .none) == Outcome(rest: Array("rest".utf8), isFinished: true))
  }

  @Test("a body without a length lasts until the stream ends (RFC 9112 §6.3)")
  func untilClose() {
    #expect(read("all of it", .untilClose) == Outcome(data: Array("all of it".utf8)))
    #expect(
      read(Array("all".utf8), .untilClose, endsStream: true)
        == Outcome(data: Array("all".utf8), isFinished: true)
    )
  }

  @Test(
    "a stream that ends early is an error (RFC 9112 §8)",
    arguments: ["", "5", "5\r\nhe", "0\r\n", "0\r\nA: b\r\n"]
  )
  func truncated(text: String) {
    let outcome = read(Array(text.utf8), .chunked, endsStream: true)
    #expect(outcome.error == .truncatedBody)
    #expect(read(Array("he".utf8), .contentLength(5), endsStream: true).error == .truncatedBody)
  }

  @Test(
    "chunks are parsed, with extensions and trailers dropped (RFC 9112 §7.1)",
    arguments: [
      "5\r\nhello\r\n0\r\n\r\n", "005\r\nhello\r\n000\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
      "5;a\r\nhello\r\n0;b=c\r\n\r\n", "5 \t;a=\"x;\\\"y\\\\\"\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello\r\n0\r\nExpires: never\r\nX:\r\n\r\n",
    ]
  )
  func chunked(text: String) {
    #expect(
      read(text + "rest", .chunked)
        == Outcome(data: Array("hello".utf8), rest: Array("rest".utf8), isFinished: true)
    )
  }

  @Test("hexadecimal digits of either case are read (RFC 9112 §7.1)", arguments: ["aB", "Ab", "0AB"])
  func hexadecimal(size: String) {
    let body = String(repeating: "x", count: 0xab)
    #expect(read("\(size)\r\n\(body)\r\n0\r\n\r\n", .chunked).data.count == 0xab)
  }

  static let badChunks: [(String, HTTP1Error)] = [
    ("\r\n", .invalidChunkSize), ("g\r\n", .invalidChunkSize), ("-1\r\n", .invalidChunkSize),
    ("+1\r\n", .invalidChunkSize), (" 1\r\n", .invalidChunkSize), ("0x1\r\n", .invalidChunkSize),
    ("1 \r\n", .invalidChunkSize), ("1_0\r\n", .invalidChunkSize), (";a\r\n", .invalidChunkSize),
    ("5\nhello", .invalidChunkSize), ("5\r\rhello", .bareCarriageReturn), ("5\rhello", .bareCarriageReturn),
    ("8000000000000000\r\n", .chunkSizeOverflow), ("10000000000000005\r\n", .chunkSizeOverflow),
    ("FFFFFFFFFFFFFFFF\r\n", .chunkSizeOverflow),
    (String(repeating: "0", count: 33) + "\r\n", .chunkSizeOverflow),
    ("5;a\n", .invalidChunkExtension), ("5;a\u{0}\r\n", .invalidChunkExtension),
    ("5;a=\"\r\n\"\r\n", .invalidChunkExtension), ("5;a\r\r", .bareCarriageReturn),
    ("5\r\nhello\n", .missingChunkEnd), ("5\r\nhello!\r\n", .missingChunkEnd),
    ("5\r\nhello\r\r", .missingChunkEnd),
    ("5\r\nhello0\r\n", .missingChunkEnd),
    ("0\r\n\n", .invalidTrailer), ("0\r\n x: y\r\n", .invalidTrailer), ("0\r\n: y\r\n", .invalidTrailer),
    ("0\r\nx y: z\r\n", .invalidTrailer), ("0\r\nx\r\n", .invalidTrailer),
    ("0\r\nx: \u{0}\r\n", .invalidTrailer),
    ("0\r\nx: y\n", .invalidTrailer), ("0\r\nx: y\rz", .bareCarriageReturn),
    ("0\r\n\r\r", .bareCarriageReturn),
  ]

  @Test("chunked framing that RFC 9112 §7.1 forbids is refused", .threat(12), arguments: badChunks)
  func badChunk(text: String, error: HTTP1Error) {
    #expect(read(text, .chunked).error == error)
  }

  @Test("an error persists (RFC 9112 §7.1)")
  func errorStays() {
    var reader = HTTP1BodyReader(.chunked)
    var input: ArraySlice<UInt8> = [0x67, 0x35, 0x0d, 0x0a]
    #expect(throws: HTTP1Error.invalidChunkSize) { try reader.next(&input) }
    #expect(throws: HTTP1Error.invalidChunkSize) { try reader.next(&input) }
    #expect(throws: HTTP1Error.invalidChunkSize) { try reader.endOfStream() }
  }

  @Test("the largest chunk size is read and counted down without overflow (RFC 9112 §7.1)")
  func largestChunk() {
    #expect(read("7FFFFFFFFFFFFFFF\r\nabc", .chunked) == Outcome(data: Array("abc".utf8)))
  }

  @Test("chunk extensions are limited over all chunks together, and so are trailers (RFC 9112 §7.1.1)")
  func overheadIsBounded() {
    let limits = HTTP1Limits(maxHeadBytes: 100, maxFieldCount: 3)
    let chunk = Array("1;0123456789\r\nx\r\n".utf8)
    let many = Array(repeating: chunk, count: 10).flatMap { $0 }
    let outcome = read(many, .chunked, limits: limits)
    #expect(outcome.error == .chunkOverheadTooLarge)
    #expect(outcome.data.count == 9)
    let long = Array("0\r\na: ".utf8) + [UInt8](repeating: 0x62, count: 200)
    #expect(read(long, .chunked, limits: limits).error == .chunkOverheadTooLarge)
    #expect(
      read(Array("0\r\na:b\r\na:b\r\na:b\r\na:b\r\n\r\n".utf8), .chunked, limits: limits).error
        == .tooManyFields
    )
    #expect(read(Array("0\r\na:b\r\na:b\r\na:b\r\n\r\n".utf8), .chunked, limits: limits).isFinished)
  }

  @Test(
    "the head of a response decides the framing (RFC 9112 §6.3)",
    arguments: [
      ("HTTP/1.1 101 \r\n\r\n", HTTP1Framing.none), ("HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n", .none),
      ("HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", .none),
      ("HTTP/1.1 403 \r\nContent-Length: 5\r\n\r\n", .contentLength(5)),
      ("HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n", .none),
      ("HTTP/1.1 403 \r\nTransfer-Encoding: chunked\r\n\r\n", .chunked),
      ("HTTP/1.1 403 \r\n\r\n", .untilClose), ("HTTP/1.0 200 \r\n\r\n", .untilClose),
      ("HTTP/1.1 999 \r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n", .contentLength(5)),
      ("HTTP/1.1 099 \r\n\r\n", .untilClose),
    ]
  )
  func framingOfResponse(text: String, framing: HTTP1Framing) throws {
    let head = try #require(try readHead(text, as: .response)?.get())
    #expect(try HTTP1Framing(ofResponse: head) == framing)
  }

  @Test(
    "H7: if a response has no body, its framing fields are ignored (RFC 9112 §6.3, rule 1)",
    .fault("H7"),
    arguments: [100, 101, 103, 204, 304],
    [
      "Transfer-Encoding: identity", "Transfer-Encoding: chunked\r\nContent-Length: 0", "Content-Length: abc",
      "Content-Length: 1\r\nContent-Length: 2", "Transfer-Encoding: gzip",
    ]
  )
  func noBody(status: Int, fields: String) throws {
    let head = try #require(try readHead("HTTP/1.1 \(status) \r\n\(fields)\r\n\r\n", as: .response)?.get())
    #expect(try HTTP1Framing(ofResponse: head) == .none)
  }

  @Test(
    "H8: other transfer codings stay in the body; chunked frames it if it comes last (RFC 9112 §6.3, rule 4)",
    .fault("H8"),
    arguments: [
      ("Transfer-Encoding: gzip, chunked", HTTP1Framing.chunked),
      ("Transfer-Encoding: gzip\r\nTransfer-Encoding: , Chunked ,", .chunked),
      ("Transfer-Encoding: gzip", .untilClose), ("Transfer-Encoding: chunked, gzip", .untilClose),
      ("Transfer-Encoding: identity", .untilClose), ("Transfer-Encoding:", .untilClose),
    ]
  )
  func codings(fields: String, framing: HTTP1Framing) throws {
    let head = try #require(try readHead("HTTP/1.1 403 \r\n\(fields)\r\n\r\n", as: .response)?.get())
    #expect(try HTTP1Framing(ofResponse: head) == framing)
  }

  static let badFramings: [(String, HTTP1Error)] = [
    ("1.1 403 \r\nTransfer-Encoding: chunked\r\nContent-Length: 0", .contentLengthWithTransferEncoding),
    ("1.1 403 \r\nContent-Length: 1\r\nTransfer-Encoding: gzip", .contentLengthWithTransferEncoding),
    ("1.1 403 \r\nTransfer-Encoding: chunked, chunked", .repeatedChunkedCoding),
    ("1.1 403 \r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x, chunked", .repeatedChunkedCoding),
    ("1.0 403 \r\nTransfer-Encoding: chunked", .transferEncodingInHTTP10),
    ("1.1 403 \r\nContent-Length: abc", .invalidContentLength),
    ("1.1 403 \r\nContent-Length:", .invalidContentLength),
    ("1.1 403 \r\nContent-Length: 1,", .invalidContentLength),
    ("1.1 403 \r\nContent-Length: 1\r\nContent-Length: 2", .conflictingContentLengths),
    ("1.1 600 \r\nContent-Length: 9223372036854775808", .invalidContentLength),
  ]

  @Test("the framing of a response that RFC 9112 §6.3 calls invalid is refused", arguments: badFramings)
  func badFraming(text: String, error: HTTP1Error) throws {
    let head = try #require(try readHead("HTTP/\(text)\r\n\r\n", as: .response)?.get())
    #expect(throws: error) { try HTTP1Framing(ofResponse: head) }
  }

  @Test("mutated bodies give the same result whole and byte by byte, and never trap")
  func mutatedBodies() {
    let original = Array("5;a=b\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\nrest".utf8)
    var random = TestRandom(seed: 77)
    var refused = 0
    for _ in 0..<5000 {
      var bytes = original
      for _ in 0...random.below(2) {
        let at = random.below(bytes.count)
        switch random.below(3) {
        case 0: bytes[at] = random.byte()
        case 1: bytes.insert([0x0d, 0x0a, 0x30, 0x66, 0x3b][random.below(5)], at: at)
        default: bytes.remove(at: at)
        }
      }
      let whole = read(bytes, .chunked)
      #expect(read(bytes, .chunked, pieces: 1) == whole)
      #expect(read(bytes, .chunked, pieces: 1 + random.below(9)) == whole)
      if whole.error != nil { refused += 1 }
    }
    #expect(refused > 1000 && refused < 4900)
  }
}
