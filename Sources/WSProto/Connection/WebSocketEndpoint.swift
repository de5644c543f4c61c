// SPDX-License-Identifier: Apache-2.0

/// One end of a WebSocket connection: what ``Connection`` and ``WSConnection`` have in common.
///
/// **The order of calls.** Pass received bytes to one of the methods below, and take the events. Write
/// everything that `send` returns or appends to the transport, in order. After a ``CloseConnection`` event,
/// send its `response()` while ``state`` is ``ConnectionState/remoteClosing``; when ``state`` is
/// ``ConnectionState/closed``, close the transport. A connection with ``AutomaticReplies`` makes these
/// answers itself: ``sendReplies()``.
///
/// **Receiving.** There are three ways to receive, and each call may use another one:
/// - *owned*: ``receiveData(_:)-(UnsafeRawBufferPointer)``, then ``nextEvent()`` until it returns `nil`. Each
///   read is copied once; events can be kept.
/// - *borrowed*: `receive(_:_:)` passes each event to a closure, with its payload still in the caller's
///   chunk. No copy, no allocation.
/// - *reading*: `receive(upTo:reading:_:)` reads into the connection's own buffer. Messages that arrive in
///   several reads aren't copied either.
///
/// All of them give the same events, however the bytes are split. All of them ignore bytes after the end of
/// the connection (RFC 6455 §1.4, §5.5.1).
///
/// **One call at a time.** An endpoint isn't thread-safe: use it from one actor, event loop or thread.
/// Sending from the closure of `receive` is allowed. An extension or a random source that calls back into its
/// connection gets a ``LocalProtocolError`` of the kind `reentrance`, or traps if the method can't throw one.
public protocol WebSocketEndpoint: AnyObject {
  /// The role of this end.
  var type: ConnectionType { get }

  /// The state of the connection. It changes when an event is taken or sent.
  var state: ConnectionState { get }

  /// What the peer violated after the handshake, if that ended the connection; otherwise `nil`, also after a
  /// Close from the peer.
  ///
  /// Set when the failure's ``CloseConnection`` event is delivered, which looks like the event for a Close.
  /// The caller does the same in both cases (RFC 6455 §7.1.7), but may want to distinguish them in a log or a
  /// metric.
  var failure: ParseFailed? { get }

  // MARK: Owned events

  /// Takes bytes from the transport, with one copy. Then call ``nextEvent()`` until it returns `nil`.
  ///
  /// If you don't, received bytes are limited by ``Limits/maxUntakenBytes``: the call then throws
  /// `ProtocolError.local` and takes nothing.
  ///
  /// - Throws: `ProtocolError.remote` if the peer's part of the handshake isn't legal: a server sends the
  ///   error's `eventHint`, then closes the transport; a client just closes it. `ProtocolError.local` if a
  ///   client has not sent its request, or if called from a hook. Violations after the handshake are
  ///   ``CloseConnection`` events instead.
  func receiveData(_ data: UnsafeRawBufferPointer) throws(ProtocolError)

  /// The transport has ended. Unless there was a Close, the last event is a ``CloseConnection`` with 1006
  /// (RFC 6455 §7.1.5), after everything received before: take it with ``nextEvent()`` or with the next call
  /// of `receive`.
  ///
  /// - Throws: `ProtocolError.remote` if that cuts off the handshake.
  func receiveEndOfStream() throws(ProtocolError)

  /// The next event; `nil` if more bytes are needed. The state changes with the event.
  ///
  /// A protocol violation by the peer is a ``CloseConnection`` with the code to answer with.
  func nextEvent() -> Event?

  // MARK: Borrowed events

  /// Takes the bytes of `chunk` and passes each event to `body` at once, with its payload in place: payloads
  /// inside the chunk aren't copied, and nothing is allocated in steady state. The bytes are unmasked in
  /// place.
  ///
  /// `body` may send on this connection but must not receive on it. If `body` throws, the bytes after its
  /// event are kept for the next call. An empty chunk delivers what is waiting: the events after the one
  /// whose `body` threw, or the end of the stream.
  ///
  /// During a handshake its events arrive as ``BorrowedEvent/handshake(_:)``. A server can accept inside
  /// `body`, and the bytes after the request are then processed.
  func receive<Failure: Error>(
    _ chunk: UnsafeMutableRawBufferPointer,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure)

  // MARK: Reading

  /// Lets `read` write up to `count` bytes from the transport into the connection's own buffer, and passes
  /// each event to `body`. Nothing is copied, even if a message arrives in many reads.
  ///
  /// - Parameters:
  ///   - count: the maximum number of bytes to read, and the room for `read`. With 0 or less nothing is read.
  ///     The buffers are shared by all connections: an idle one keeps none.
  ///   - read: writes into the given memory, which is valid only during the call, and returns how many bytes
  ///     it wrote, such as `recv(descriptor, $0.baseAddress, $0.count, 0)`. A negative count counts as 0.
  ///   - body: as for `receive(_:_:)`.
  /// - Returns: the result of `read`; 0 if it wasn't called.
  func receive<Failure: Error>(
    upTo count: Int,
    reading read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int,
    _ body: (borrowing BorrowedEvent) throws(Failure) -> Void
  ) throws(Failure) -> Int

  // MARK: Replies

  /// The maximum number of bytes that the waiting replies take; 0 if there are none, and always if
  /// ``Configuration/automaticReplies`` is empty. Exact except for the rejection of a handshake, and for
  /// custom extensions.
  var waitingReplyBytes: Int { get }

  /// Appends the waiting replies, in order: a pong, then a Close, or the rejection of a handshake. Appends
  /// nothing if none wait.
  ///
  /// The state changes now, as if they were sent with `send`: see ``AutomaticReplies``.
  ///
  /// - Throws: `LocalProtocolError` if an extension refuses a reply, which is then dropped, or if called from
  ///   a hook. Nothing is appended then.
  func sendReplies(into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes the waiting replies to memory of the caller, which needs room for ``waitingReplyBytes``.
  ///
  /// - Throws: `LocalProtocolError` as ``sendReplies(into:)-([UInt8])`` does, and if there is less room:
  ///   nothing is written then, and the replies still wait.
  func sendReplies(into output: inout OutputRawSpan) throws(LocalProtocolError)

  // MARK: Sending

  /// Appends the bytes of `event` to a buffer that the caller keeps. Doesn't allocate if the buffer has room.
  ///
  /// - Throws: `LocalProtocolError` if the event is illegal, in this state or in general; nothing is appended
  ///   or changed then.
  func send(_ event: Event, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes the bytes of `event` to memory of the caller, which needs room for ``sizeBound(of:)`` bytes.
  ///
  /// - Throws: `LocalProtocolError` as ``send(_:into:)-(Event,[UInt8])`` does, and if there is less room;
  ///   nothing is written or changed then.
  func send(_ event: Event, into output: inout OutputRawSpan) throws(LocalProtocolError)

  /// Appends a text message, or a part of one, from borrowed text.
  func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError)

  /// Appends a binary message, or a part of one, from borrowed bytes, which must not be part of `output`.
  func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout [UInt8]
  ) throws(LocalProtocolError)

  /// Writes a text message, or a part of one, to memory of the caller with room for ``sizeBound(ofPayload:)``
  /// bytes.
  func sendText(
    _ text: UTF8Span,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError)

  /// Writes a binary message, or a part of one, to memory of the caller with room for
  /// ``sizeBound(ofPayload:)`` bytes.
  func sendBytes(
    _ bytes: RawSpan,
    messageFinished: Bool,
    compress: Bool,
    into output: inout OutputRawSpan
  ) throws(LocalProtocolError)

  /// Appends the pong for a ping with this payload.
  func sendPong(_ payload: RawSpan, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Appends a prepared message. It can't be sent between the parts of another message (RFC 6455 §5.4).
  func send(_ message: PreparedMessage, into output: inout [UInt8]) throws(LocalProtocolError)

  /// Writes a prepared message to memory of the caller with room for ``sizeBound(ofPayload:)`` bytes for its
  /// payload.
  func send(_ message: PreparedMessage, into output: inout OutputRawSpan) throws(LocalProtocolError)

  /// The maximum number of bytes that `event` takes on the wire, including a waiting automatic pong, which is
  /// sent before it. Exact except for compression, masks, and handshakes.
  func sizeBound(of event: Event) -> Int

  /// The maximum number of bytes that a message or a control frame with a payload of `count` bytes takes on
  /// the wire, including a waiting automatic pong, which is sent before it.
  func sizeBound(ofPayload count: Int) -> Int
}
