// SPDX-License-Identifier: Apache-2.0

/// One end of a WebSocket connection: what ``Connection`` and ``WSConnection`` have in common.
///
/// **The order of calls.** Received bytes go in by one of the doors below, and events come out. What a `send` returns,
/// or appends, goes to the transport, always and in order. After a ``CloseConnection`` event send its `response()` while
/// ``state`` is ``ConnectionState/remoteClosing``; when ``state`` is ``ConnectionState/closed``, close the transport. A
/// connection that was asked for ``AutomaticReplies`` answers by itself: ``sendReplies()``.
///
/// **Doors.** There are three ways to receive, and they may be mixed from call to call:
/// - *owned*: ``receiveData(_:)-(UnsafeRawBufferPointer)``, then ``nextEvent()`` until it gives `nil`. One copy of each
///   read; events can be kept.
/// - *borrowed*: `receive(_:_:)` hands each event to a closure, from where its bytes are. No copy, no allocation.
/// - *reading*: `receive(upTo:reading:_:)` lets the connection's own buffer be read into. No copy of messages that come
///   in several reads either.
///
/// What the doors say is the same, however the bytes are cut. Bytes that come after the end of the connection are
/// ignored by all of them (RFC 6455 §1.4, §5.5.1).
///
/// **One call at a time.** An endpoint isn't thread-safe: give it to one actor, event loop or thread. Sending from the
/// closure of a borrowed or reading door is fine. An extension or a random source that calls back into its connection
/// gets a ``LocalProtocolError`` of the kind `reentrance`; where a call cannot throw one, it traps.
public protocol WebSocketEndpoint: AnyObject {
  /// The role of this end.
  var type: ConnectionType { get }

  /// Where the connection is in its life. Moves when an event is taken or sent.
  var state: ConnectionState { get }

  /// What the peer violated after the handshake, if that ended the connection; `nil` otherwise, also after a Close of
  /// the peer's.
  ///
  /// Set when the failure's ``CloseConnection`` event is delivered, which looks like that of a Close. What the caller
  /// does next is the same in both cases (RFC 6455 §7.1.7); a log or a metric may want to tell them apart.
  var failure: ParseFailed? { get }

  // MARK: The owned door

  /// Takes bytes from the transport: one copy. Call ``nextEvent()`` afterwards until it gives `nil`.
  ///
  /// Whoever doesn't is stopped by ``Limits/maxUntakenBytes``: the call then throws `ProtocolError.local`, and takes
  /// nothing.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part of the handshake isn't legal: a server sends the error's
  ///   `eventHint`, then closes the transport; a client closes it. `ProtocolError.local` if a client's request was not
  ///   sent, or on a call from a hook. Violations after the handshake are ``CloseConnection`` events instead.
  func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError)

  /// The transport has ended. Without a Close the events end with a ``CloseConnection`` of 1006 (RFC 6455 §7.1.5),
  /// after everything that came before: take it by ``nextEvent()``, or by the next call of a borrowed door.
  ///
  /// - Throws: `ProtocolError.remote` if that cuts the handshake off.
  func receiveEndOfStream() throws(ProtocolError)

  /// The next event; `nil` when more bytes are needed. The state moves with the event.
  ///
  /// A violation of the protocol by the peer is a ``CloseConnection`` with the code to answer with.
  func nextEvent() -> Event?

  // MARK: The borrowed door

  /// Takes the bytes of `chunk` and hands each event to `body` at once, from where its bytes are: no copy of payloads
  /// inside the chunk, no allocation in steady state. The bytes are unmasked in place.
  ///
  /// `body` may send on this connection; it must not receive on it. If `body` throws, the bytes behind its event are
  /// kept for the next call. An empty chunk delivers what waits: the events behind one whose `body` threw, or the end
  /// of the stream.
  ///
  /// During a handshake its events come as ``BorrowedEvent/handshake(_:)``; a server can accept from inside of `body`,
  /// and bytes that followed the request are then read on.
  func receive<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure)

  // MARK: The reading door

  /// Lets `read` write up to `count` bytes from the transport into the connection's own buffer, and hands each event to
  /// `body`: not a single copy, even of messages that come in many reads.
  ///
  /// - Parameters:
  ///   - count: the most bytes to read, and the room that `read` gets. With 0 or less nothing is read. A buffer for up
  ///     to 16 KiB is kept from read to read; larger ones are shared by all connections.
  ///   - read: writes into the memory that it is given, for this call only, and returns how many bytes it has written,
  ///     such as `recv(descriptor, $0.baseAddress, $0.count, 0)`. A negative count stands for none.
  ///   - body: as for `receive(_:_:)`.
  /// - Returns: what `read` has returned; 0 where it wasn't called.
  func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int

  // MARK: Replies

  /// The most bytes that the replies take which wait to be sent; 0 if none do, and always where
  /// ``Configuration/automaticReplies`` is empty. Exact but for the rejection of a handshake, and for extensions that
  /// aren't of this package.
  var waitingReplyBytes: Int { get }

  /// Appends the replies that wait, in order: a pong, then a Close, or the rejection of a handshake. Nothing if none wait.
  ///
  /// The state moves here, as by a `send` of the same: see ``AutomaticReplies``.
  ///
  /// - Throws: `LocalProtocolError` if an extension refuses a reply, which is dropped then, or on a call from a hook.
  ///   Nothing was appended.
  func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes the replies that wait to memory of the caller's: ``waitingReplyBytes`` of room.
  ///
  /// - Throws: `LocalProtocolError` as ``sendReplies(into:)-([UInt8])`` does, and where there is less room: nothing was
  ///   written then, and the replies still wait.
  func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError)

  // MARK: Sending

  /// Appends the bytes that put `event` on the wire to a buffer that the caller keeps: no allocation if it has room.
  ///
  /// - Throws: `LocalProtocolError` if the event is not legal in this state or at all; nothing was appended then, and
  ///   nothing has changed.
  func send(_ event: Event, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes the bytes that put `event` on the wire to memory of the caller's: at least ``sizeBound(of:)`` bytes of room.
  ///
  /// - Throws: `LocalProtocolError` as ``send(_:into:)-(Event,[UInt8])`` does, and where there is less room: nothing was
  ///   written then, and nothing has changed.
  func send(_ event: Event, into output: inout OutputRawSpan) throws(LocalProtocolError)

  /// Appends a text message, or a part of one, from borrowed text.
  func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError)

  /// Appends a binary message, or a part of one, from borrowed bytes, which must not be those of `output`.
  func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError)

  /// Writes a text message, or a part of one, to memory of the caller's: ``sizeBound(ofPayload:)`` bytes of room.
  func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError)

  /// Writes a binary message, or a part of one, to memory of the caller's: ``sizeBound(ofPayload:)`` bytes of room.
  func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError)

  /// Appends the pong that answers a ping with this payload.
  func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Appends a prepared message. It cannot go between the parts of another message (RFC 6455 §5.4).
  func send(_ message: PreparedMessage, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes a prepared message to memory of the caller's: ``sizeBound(ofPayload:)`` bytes of room for its payload.
  func send(_ message: PreparedMessage, into output: inout OutputRawSpan) throws(LocalProtocolError)

  /// The most bytes that `event` takes on the wire, with the automatic pong that goes in front of it if one waits; exact
  /// but for what is compressed, for masks, and for handshakes.
  func sizeBound(of event: Event) -> Int

  /// The most bytes that a message, or a control frame, with a payload of `count` bytes takes on the wire, with the
  /// automatic pong that goes in front of it if one waits.
  func sizeBound(ofPayload count: Int) -> Int
}
