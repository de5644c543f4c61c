// SPDX-License-Identifier: Apache-2.0

#if NIO
public import WSProto

/// The settings of one connection, for servers and clients.
public struct WebSocketOptions: Sendable, Hashable {
  /// The largest message that the peer may send, in bytes, after decompression. Default 1 MiB. A larger message closes
  /// the connection with 1009. A connection needs up to this much memory while it receives a message. Values above 2
  /// GiB are treated as 2 GiB.
  public var maxMessageBytes: Int = 1 << 20
  /// The maximum size of the request or response head in the opening handshake, in bytes. Default 16 KiB; a larger one
  /// is refused.
  public var maxHeadBytes: Int = 16 << 10
  /// The deadlines of the opening and closing handshakes, and the keepalive. Default: 10 s for each handshake, a ping
  /// every 20 s, and 20 s for a sign of life after it.
  public var timeouts = Timeouts()
  /// The size in bytes of unread messages at which the transport is no longer read, until half of them are taken.
  /// Default 64 KiB. A larger value lets a peer continue sending while the consumer is busy. It costs this much memory
  /// per connection, plus up to one read loop and one message; with compression, plus up to 256 KiB and one message.
  public var maxUnreadBytes: Int = 64 << 10
  /// The size in bytes of unsent data at which `send` waits. Default 64 KiB. A larger value keeps a fast network
  /// busier. It costs this much memory per connection, plus up to one message.
  public var sendWatermark: Int = 64 << 10
  /// The size in bytes by which unsent data may exceed ``sendWatermark`` if the peer sends without reading. Default 16
  /// MiB.
  ///
  /// A closure that sends from its receiving loop takes no messages while `send` waits. If the peer sends everything
  /// before it reads the first answer, as many clients do, both ends would wait for each other. In this situation
  /// `send` continues, up to this limit; on a server, all connections together use at most half of
  /// ``WebSocketServerLimits/maxMessageMemory`` for this. If the peer merely doesn't read, `send` waits as usual. With
  /// 0, neither end continues, until ``slowConsumer`` drops the connection.
  public var maxCrossingBytes: Int = 16 << 20
  /// Whether messages are received whole, or in parts as they come. Default: whole.
  public var delivery = WebSocketDelivery.wholeMessages
  /// What happens if the peer reads more slowly than this end sends. Default: `send` waits, up to 30 s without any
  /// progress.
  public var slowConsumer = SlowConsumerPolicy.wait(atMost: .seconds(30))
  /// Whether the closure that uses the socket, and the child tasks it creates, run on the connection's event loop
  /// instead of Swift's shared thread pool. Default `true`: messages need no thread switch. Such code must not block,
  /// and long computations in it delay the other connections of the event loop. Move such work to a detached task, or
  /// choose `false`. An actor moves it only if the actor has an executor of its own, as the main actor does: calls of
  /// other actors run on the event loop, too (SE-0417).
  public var runsOnEventLoop = true
  /// How many messages and bytes the peer may send per second. Default `nil`: no limit. If the peer exceeds the limit,
  /// the connection is closed with 1008 and the excess messages are dropped.
  public var rateLimit: RateLimit?
  /// Compression of messages (RFC 7692). Default `nil`: not negotiated. It costs CPU time, and memory for the messages
  /// being processed. Don't compress secrets together with text that an attacker controls (CRIME).
  public var compression: WebSocketCompression?
  /// Observes pings and pongs.
  package var controlFrames: ControlFrameObserver?

  /// Creates options with the default values.
  public init() {}

  /// The limits and the delivery for the core.
  package var configuration: Configuration {
    let bound =
      switch delivery {
      case .wholeMessages: min(max(0, maxMessageBytes), MessageAssembly.maxBytes)
      case .parts(let maxMessageBytes): max(0, maxMessageBytes)
      }
    var limits = Limits(maxMessageBytes: bound)
    limits.maxHeadBytes = maxHeadBytes
    // In chunks as they come: the handler assembles each message once, in the buffer that it hands out.
    return Configuration(delivery: .chunks, limits: limits)
  }
}

/// How messages are delivered.
public enum WebSocketDelivery: Sendable, Hashable {
  /// Whole messages, up to ``WebSocketOptions/maxMessageBytes``.
  case wholeMessages
  /// Parts of messages as they come, up to `maxMessageBytes` per message; a larger message closes the connection with
  /// 1009. For ``WebSocket/streams``, which buffer about ``WebSocketOptions/maxUnreadBytes`` of a message, however long
  /// it is. ``WebSocket/messages`` assembles the parts, up to ``WebSocketOptions/maxMessageBytes``.
  case parts(maxMessageBytes: Int = .max)
}

/// What happens if a peer reads more slowly than this end sends.
///
/// Under every policy, a message is accepted if nothing is waiting, however large it is, and control frames are always
/// accepted. A message whose transmission has begun is sent completely. The parts of a message sent in parts always
/// wait.
///
/// A connection is dropped without a Close, since a Close would have to wait behind all unsent data.
public enum SlowConsumerPolicy: Sendable, Hashable {
  /// `send` waits while ``WebSocketOptions/sendWatermark`` bytes are waiting. If the peer reads nothing at all for
  /// `atMost` meanwhile, the connection is dropped. With `nil`, `send` waits as long as the peer shows signs of life.
  case wait(atMost: Duration?)
  /// `send` doesn't wait: once `bytes` are waiting, the connection is dropped. For messages that are worthless if late.
  case disconnect(unsentBytes: Int)
  /// `send` doesn't wait: while `bytes` are waiting, new messages are dropped and counted in
  /// ``WebSocket/droppedMessages``.
  case dropNewest(unsentBytes: Int)
  /// `send` doesn't wait: while `bytes` are waiting, the oldest messages whose transmission hasn't begun are dropped
  /// and counted in ``WebSocket/droppedMessages``. The newest message is always kept, so one message may exceed the
  /// limit.
  case dropOldest(unsentBytes: Int)

  /// Drops the connection once 1 MiB is waiting.
  public static let disconnect = disconnect(unsentBytes: 1 << 20)
  /// Drops new messages while 1 MiB is waiting.
  public static let dropNewest = dropNewest(unsentBytes: 1 << 20)
  /// Drops the oldest messages while 1 MiB is waiting.
  public static let dropOldest = dropOldest(unsentBytes: 1 << 20)

  /// How long the peer may read nothing while a sender waits.
  var stallLimit: Duration? {
    if case .wait(let limit) = self { return limit }
    // Under the other policies, only the parts of a message wait.
    return .seconds(30)
  }
}

/// How messages are compressed if the peer agrees (RFC 7692).
public struct WebSocketCompression: Sendable, Hashable {
  /// The size in bytes below which messages aren't compressed. Default 1,024: short messages hardly shrink.
  public var threshold: Int = 1024
  /// The zlib level, from 0 to 9, or -1 for zlib's default, which is the default. Higher levels need more CPU time.
  public var level: Int = -1
  /// Whether compression keeps its context from one message to the next. Default `false`: a connection needs memory
  /// only while it processes messages. `true` compresses similar messages better, and needs about 300 KB per
  /// connection.
  public var keepsContext: Bool = false

  /// Creates settings with the default values.
  public init() {}

  /// The extension to offer or to accept.
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
