// SPDX-License-Identifier: Apache-2.0

import CHiredis

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What Redis, or the way to it, has to object.
struct RedisError: Error, CustomStringConvertible {
  let description: String
}

/// A connection to Redis on this machine, for one thread at a time. Its calls block.
final class RedisConnection: @unchecked Sendable {
  private let context: UnsafeMutablePointer<redisContext>

  init(port: Int32) throws(RedisError) {
    guard let context = redisConnect("127.0.0.1", port) else { throw RedisError(description: "no memory") }
    self.context = context
    // Throwing from here on ends in `deinit`.
    if context.pointee.err != 0 { throw error }
  }

  deinit { redisFree(context) }

  private var error: RedisError {
    RedisError(
      description: withUnsafeBytes(of: context.pointee.errstr) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
    )
  }

  /// Sends a command, and waits for the answer.
  func command(_ words: String...) throws(RedisError) {
    // Words one after the other, each with its length: a text may have a zero in it.
    let bytes = words.flatMap { $0.utf8 }
    var lengths = words.map { $0.utf8.count }
    let answer = bytes.withUnsafeBytes { bytes in
      var start = 0
      var pointers = lengths.map { length in
        defer { start += length }
        return bytes.baseAddress.map { ($0 + start).assumingMemoryBound(to: CChar.self) }
      }
      return redisCommandArgv(context, Int32(words.count), &pointers, &lengths)
    }
    guard let reply = answer?.assumingMemoryBound(to: redisReply.self) else { throw error }
    defer { freeReplyObject(reply) }
    if reply.pointee.type == REDIS_REPLY_ERROR { throw RedisError(description: string(of: reply.pointee)) }
  }

  /// Waits for the next message of the channels that were subscribed to.
  func nextMessage() throws(RedisError) -> String {
    while true {
      var answer: UnsafeMutableRawPointer?
      guard redisGetReply(context, &answer) == REDIS_OK, let answer else { throw error }
      defer { freeReplyObject(answer) }
      let reply = answer.assumingMemoryBound(to: redisReply.self).pointee
      // "message", the channel, the text.
      guard reply.elements == 3, let kind = reply.element[0], let text = reply.element[2] else { continue }
      if string(of: kind.pointee) == "message" { return string(of: text.pointee) }
    }
  }

  private func string(of reply: redisReply) -> String {
    guard let text = reply.str else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: text, count: reply.len), as: UTF8.self)
  }

  /// Ends what another thread waits for.
  func interrupt() { shutdown(context.pointee.fd, Int32(SHUT_RDWR)) }
}
