// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// The settings of one connection, on a server and on a client.
public struct WebSocketOptions: Sendable, Hashable {
  /// The largest message that the peer may send, in bytes, after inflation. Default 1 MiB. A larger one closes the
  /// connection with 1009. Costs so much memory a connection while a message of that size is under way. More than 2 GiB
  /// are taken for 2 GiB.
  public var maxMessageBytes: Int = 1 << 20
  /// The head of the peer's part of the opening handshake, in bytes. Default 16 KiB; a larger one is refused.
  public var maxHeadBytes: Int = 16 << 10
  /// The deadlines of the opening and closing handshake and the keepalive: 10 s each, a ping every 20 s, 20 s for a
  /// sign of life after it.
  public var timeouts = Timeouts()
  /// Messages that nobody has taken yet, in bytes: from here on the socket isn't read, until half of them are taken.
  /// Default 64 KiB. More lets a peer send on while the consumer is busy; it costs so much memory a connection, and up
  /// to one read loop and one message beyond it; where messages are compressed, up to 256 KiB and one message.
  public var maxUnreadBytes: Int = 64 << 10
  /// From how many bytes that wait for the transport on `send` waits. Default 64 KiB. More keeps a fast line busier, and
  /// costs so much memory a connection, up to one message beyond it.
  public var sendWatermark: Int = 64 << 10
  /// How much more waits for the transport where the peer sends and doesn't read meanwhile. Default 16 MiB. A closure that
  /// sends from the loop in which it receives takes nothing while `send` waits; the peer waits for it, and it for the peer.
  /// Many clients send all that they have before they read the first answer. Within that bound they are served; on a server,
  /// all connections together take half of ``WebSocketServerLimits/maxMessageMemory`` for it at most. Where the peer just
  /// doesn't read, `send` waits as ever. 0: neither end moves, until ``slowConsumer`` drops the connection.
  public var maxCrossingBytes: Int = 16 << 20
  /// Whether messages are received whole, or large ones in parts. Default: whole.
  public var delivery = WebSocketDelivery.wholeMessages
  /// What becomes of a peer that takes less than it is sent. Default: `send` waits, for 30 s without any progress.
  public var slowConsumer = SlowConsumerPolicy.wait(atMost: .seconds(30))
  /// Whether the closure that has the socket, and the tasks that it makes, run on the connection's event loop rather than on
  /// the process's threads for tasks. Default `true`: a message costs no change of threads. Code that computes for long
  /// there holds up the other connections of that event loop, and must not block: hand such work to an actor or to a
  /// detached task, or choose `false`. Of no account for code that belongs to an actor.
  public var runsOnEventLoop = true
  /// How many messages, and how many bytes of them, the peer may send in a second. Default `nil`: as many as this end reads.
  /// One that sends more is closed with 1008, and what it has sent beyond is dropped.
  public var rateLimit: RateLimit?
  /// Compression of messages (RFC 7692). Default `nil`: none is negotiated. Costs CPU, and memory for the messages
  /// under way; what one peer can read and another one chooses should not be compressed together (CRIME).
  public var compression: WebSocketCompression?
  /// Is told of pings and pongs.
  package var controlFrames: ControlFrameObserver?

  /// The defaults.
  public init() {}

  /// The limits and the delivery that the core is given.
  package var configuration: Configuration {
    let bound =
      switch delivery {
      case .wholeMessages: min(max(0, maxMessageBytes), MessageAssembly.maxBytes)
      case .parts(let maxMessageBytes): max(0, maxMessageBytes)
      }
    var limits = Limits(maxMessageBytes: bound)
    limits.maxHeadBytes = maxHeadBytes
    // Parts as they come: the handler puts them together, once, in the buffer that it gives out.
    return Configuration(delivery: .chunks, limits: limits)
  }
}

/// How the messages of a peer come.
public enum WebSocketDelivery: Sendable, Hashable {
  /// Whole, up to ``WebSocketOptions/maxMessageBytes``.
  case wholeMessages
  /// In parts, as they come, up to `maxMessageBytes`; a larger message closes the connection with 1009. For
  /// ``WebSocket/streams``, which hold ``WebSocketOptions/maxUnreadBytes`` of a message, however long it is.
  /// ``WebSocket/messages`` puts them together, up to ``WebSocketOptions/maxMessageBytes``.
  case parts(maxMessageBytes: Int = .max)
}

/// What becomes of a peer that takes less than it is sent.
///
/// Whatever the policy, one message is always taken where nothing is waiting, however long it is, and control frames are.
/// A message that has begun to go out goes out whole, and the parts of a message in parts always wait.
///
/// A connection that is dropped ends without a Close: that would have to wait behind all that is waiting.
public enum SlowConsumerPolicy: Sendable, Hashable {
  /// `send` waits while ``WebSocketOptions/sendWatermark`` bytes are waiting. If the peer takes not a byte for `atMost`
  /// meanwhile, the connection is dropped. `nil`: it waits for as long as the peer shows signs of life.
  case wait(atMost: Duration?)
  /// `send` doesn't wait: once `bytes` are waiting, the connection is dropped. For messages that are worth nothing late.
  case disconnect(unsentBytes: Int)
  /// `send` doesn't wait: while `bytes` are waiting, further messages are dropped and counted; see
  /// ``WebSocket/droppedMessages``.
  case dropNewest(unsentBytes: Int)
  /// `send` doesn't wait: while `bytes` are waiting, the oldest messages that have not begun to go out are dropped and
  /// counted. The newest is always kept, so that one message may wait beyond the bound.
  case dropOldest(unsentBytes: Int)

  /// The connection is dropped once 1 MiB is waiting.
  public static let disconnect = disconnect(unsentBytes: 1 << 20)
  /// Further messages are dropped while 1 MiB is waiting.
  public static let dropNewest = dropNewest(unsentBytes: 1 << 20)
  /// The oldest messages are dropped while 1 MiB is waiting.
  public static let dropOldest = dropOldest(unsentBytes: 1 << 20)

  /// How long the peer may take nothing while somebody waits.
  var stallLimit: Duration? {
    if case .wait(let limit) = self { return limit }
    // Under the others, only the parts of a message wait.
    return .seconds(30)
  }
}

/// How messages are compressed, where the peer agrees (RFC 7692).
public struct WebSocketCompression: Sendable, Hashable {
  /// Messages of fewer bytes go out as they are. Default 1,024: short messages hardly shrink.
  public var threshold: Int = 1024
  /// zlib's level, 0 to 9, or -1 for its default. More takes more CPU.
  public var level: Int = -1
  /// Whether a message is compressed with what is known of those before it. Default `false`: a connection holds memory
  /// for messages under way only. `true` compresses similar messages better, and holds about 300 KB a connection.
  public var keepsContext: Bool = false

  /// The defaults.
  public init() {}

  /// The extension to offer or to accept with.
  ///
  /// - Throws: `LocalProtocolError` for a level or a threshold out of range.
  package func makeExtension() throws(LocalProtocolError) -> PerMessageDeflate {
    try PerMessageDeflate(
      clientNoContextTakeover: !keepsContext,
      serverNoContextTakeover: !keepsContext,
      level: level,
      threshold: threshold
    )
  }
}
#endif
