// SPDX-License-Identifier: Apache-2.0

@testable import WSProto

/// Two ends and what is under way between them, as a value of 64 bits: what the model check explores.
///
/// The ends move by the table of ``ConnectionStateMachine``, or by one with a planted fault. What surrounds the table is
/// told here as `Connection` and `H11Handshake` do it; the replay on real connections proves that it is the same.
struct ModelWorld {
  typealias State = ConnectionStateMachine.State
  typealias Input = ConnectionStateMachine.Input
  typealias Table = (State, Input) -> State?

  /// What an end's caller was told of its end.
  enum Told: UInt8 {
    case nothing, clean, violation, abnormal, refused, handshakeFailed
  }

  /// What travels.
  enum Item: UInt8 {
    case request, accept, reject, rejectHead, rejectData, rejectEnd, message, ping, pong, close
    /// Bytes that violate the protocol wherever they are read.
    case garbage
  }

  struct End {
    var state: State
    /// How many Closes it has made; two are one too many.
    var closesMade: UInt8 = 0
    /// The peer's Close was read.
    var closeArrived = false
    var told = Told.nothing
    /// The end of the peer's stream was read.
    var sawEnd = false
    /// It has dropped the transport.
    var isGone = false
    /// The automatic pong of the newest ping waits to be sent. Whether a Close or a rejection waits follows from the state.
    var pongWaits = false
  }

  /// One direction of the transport.
  struct Channel {
    /// Room for two items. With room for three there are 280,822 worlds instead of 27,245 if the replies of both ends are
    /// automatic. There is no fault among them either, and it takes ten times as long.
    static let capacity = 2
    /// The oldest item in the lowest four bits.
    var items: UInt16 = 0
    var count: UInt8 = 0
    /// Nothing more gets through: the end of the stream stands behind the items.
    var isEnded = false
    /// Nobody reads any more.
    var isDeaf = false

    var isFull: Bool { !hasRoom(for: 1) }

    func hasRoom(for more: Int) -> Bool { Int(count) + more <= Self.capacity || isEnded || isDeaf }
    var first: Item? { count == 0 ? nil : Item(rawValue: UInt8(items & 15)) }

    mutating func put(_ item: Item) {
      guard !isEnded, !isDeaf else { return }
      items |= UInt16(item.rawValue) << (4 * UInt16(count))
      count += 1
    }

    mutating func removeFirst() {
      items >>= 4
      count -= 1
    }

    mutating func removeAll() {
      items = 0
      count = 0
    }
  }

  var client = End(state: .requestUnsent)
  var server = End(state: .awaitingRequest)
  var toServer = Channel()
  var toClient = Channel()

  subscript(role: ConnectionType) -> End {
    get { role == .client ? client : server }
    set { if role == .client { client = newValue } else { server = newValue } }
  }

  /// What the end of this role reads.
  subscript(to role: ConnectionType) -> Channel {
    get { role == .client ? toClient : toServer }
    set { if role == .client { toClient = newValue } else { toServer = newValue } }
  }

  var isClosed: Bool { client.state == .closed && server.state == .closed }

  // MARK: As a number

  private static let states = State.allCases

  var packed: UInt64 {
    Self.pack(client) | Self.pack(server) << 16 | Self.pack(toServer) << 32 | Self.pack(toClient) << 48
  }

  init() {}

  init(packed: UInt64) {
    client = Self.end(packed)
    server = Self.end(packed >> 16)
    toServer = Self.channel(packed >> 32)
    toClient = Self.channel(packed >> 48)
  }

  private static func pack(_ end: End) -> UInt64 {
    var bits = UInt64(states.firstIndex(of: end.state) ?? 0)
    bits |= UInt64(end.closesMade) << 4 | UInt64(end.told.rawValue) << 6
    bits |= (end.closeArrived ? 1 << 9 : 0) | (end.sawEnd ? 1 << 10 : 0) | (end.isGone ? 1 << 11 : 0)
    return bits | (end.pongWaits ? 1 << 12 : 0)
  }

  private static func end(_ bits: UInt64) -> End {
    var end = End(state: states[Int(bits & 15)])
    end.closesMade = UInt8(bits >> 4 & 3)
    end.told = Told(rawValue: UInt8(bits >> 6 & 7)) ?? .nothing
    end.closeArrived = bits >> 9 & 1 == 1
    end.sawEnd = bits >> 10 & 1 == 1
    end.isGone = bits >> 11 & 1 == 1
    end.pongWaits = bits >> 12 & 1 == 1
    return end
  }

  private static func pack(_ channel: Channel) -> UInt64 {
    UInt64(channel.items) | UInt64(channel.count) << 12 | (channel.isEnded ? 1 << 14 : 0)
      | (channel.isDeaf ? 1 << 15 : 0)
  }

  private static func channel(_ bits: UInt64) -> Channel {
    Channel(
      items: UInt16(bits & 0xFFF),
      count: UInt8(bits >> 12 & 3),
      isEnded: bits >> 14 & 1 == 1,
      isDeaf: bits >> 15 & 1 == 1
    )
  }
}

/// What can happen next in a ``ModelWorld``.
enum ModelStep: Hashable {
  /// The caller of this end sends.
  case send(ConnectionType, ConnectionStateMachine.Input)
  /// The next item arrives at this end.
  case deliver(ConnectionType)
  /// The end of the peer's stream arrives at this end.
  case deliverEnd(ConnectionType)
  /// The caller of this end sends the automatic replies that wait.
  case flush(ConnectionType)
  /// This end, which is closed, ends its stream.
  case finish(ConnectionType)
  /// Something illegal gets into what this end is about to read.
  case violate(ConnectionType)
  /// What is under way to this end is lost, and all that follows it.
  case cut(ConnectionType)
  /// A deadline passes: this end drops the transport.
  case timeOut(ConnectionType)

  /// Whether it is what two well-behaved callers on a good transport do.
  var isOrderly: Bool {
    switch self {
    case .send, .deliver, .deliverEnd, .flush, .finish: true
    case .violate, .cut, .timeOut: false
    }
  }
}

extension ModelStep: CustomStringConvertible {
  var description: String {
    switch self {
    case .send(let role, let input): "\(role): \(input)"
    case .deliver(let role): "\(role) reads the next item"
    case .deliverEnd(let role): "\(role) reads the end of the stream"
    case .flush(let role): "\(role) sends its replies"
    case .finish(let role): "\(role) ends its stream"
    case .violate(let role): "something illegal gets under way to the \(role)"
    case .cut(let role): "the way to the \(role) is cut"
    case .timeOut(let role): "\(role) times out"
    }
  }
}
