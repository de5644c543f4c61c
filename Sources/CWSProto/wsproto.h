// SPDX-License-Identifier: Apache-2.0

/// The C interface of WSProto: a WebSocket protocol stack without I/O (RFC 6455, RFC 7692).
///
/// Link with the dynamic library `WSProtoC` (`swift build -c release --product WSProtoC`).
///
/// The model is that of the Swift API: bytes from the transport go in and events come out; events go in and bytes for
/// the transport come out.
///
/// ```c
/// wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
/// wsproto_error *error = NULL;
/// if (!wsproto_endpoint_receive(server, chunk, chunk_size, &error)) {
///   // error tells what the peer did wrong: wsproto_error_message(error), wsproto_error_event_hint(error)
/// }
/// const wsproto_event *event;
/// while ((event = wsproto_endpoint_next_event(server))) {
///   wsproto_event answer = {0};
///   if (event->kind == WSPROTO_REQUEST) {
///     answer.kind = WSPROTO_ACCEPT_CONNECTION;
///   } else if (event->kind == WSPROTO_TEXT_MESSAGE || event->kind == WSPROTO_BYTES_MESSAGE) {
///     answer = *event;  // an echo, part by part
///   } else if (event->kind == WSPROTO_PING) {
///     answer.kind = WSPROTO_PONG;
///     answer.data = event->data;
///   } else if (event->kind == WSPROTO_CLOSE_CONNECTION
///              && wsproto_endpoint_state(server) == WSPROTO_REMOTE_CLOSING) {
///     answer.kind = WSPROTO_CLOSE_CONNECTION;
///     answer.code = event->code;
///   } else {
///     continue;
///   }
///   wsproto_bytes output;
///   if (wsproto_endpoint_send(server, &answer, &output, &error)) write_all(output.data, output.count);
/// }
/// wsproto_endpoint_free(server);
/// ```
///
/// Rules that hold everywhere:
///
/// - Text is UTF-8, without a terminating zero; sizes are in bytes.
/// - Sizes above PTRDIFF_MAX, such as the -1 of a failed `recv`, count as 0; as a limit they mean no limit.
/// - Endpoints and the other objects are not thread-safe. Threads that share one must hold a lock from a call until
///   they have used or copied its result. The endpoints returned by `wsproto_endpoint_handshake` and
///   `wsproto_endpoint_connection` are parts of the endpoint passed in: use one lock for all of them. Different
///   endpoints may be used in parallel, even if they have the same extensions.
/// - Pointers that a function returns (events, output, errors' texts) belong to the object it was called on. They are
///   valid until the next call of `receive`, `next_event`, `next_frame`, `send`, `send_replies` or `free` on that
///   object. An event may be passed to `send` on the object it came from. Arguments are copied and never kept.
/// - `receive` of 0 bytes only invalidates those pointers. Call it if an object will be idle after a large `send`; it
///   then keeps at most 16 KiB, plus what the connection itself needs.
/// - Functions that can fail return `false` and, if `error` isn't NULL, store an error there that the caller frees
///   with `wsproto_error_free`. A failed `send` has changed nothing.
/// - A callback must neither use nor free the object that calls it. Functions that can fail then fail with
///   WSPROTO_VIOLATION_REENTRANCE, `next_event` returns NULL, and nothing changes. Asking for the state
///   and for the size of the waiting replies is allowed.
/// - `NULL` is not a legal object, except for the functions called `free`; NULL data is legal if its size is 0.
#ifndef WSPROTO_H
#define WSPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Borrowed bytes or UTF-8 text.
typedef struct wsproto_bytes {
  const uint8_t *data;
  size_t count;
} wsproto_bytes;

/// An HTTP header field. Names are compared without regard to case.
typedef struct wsproto_field {
  wsproto_bytes name;
  wsproto_bytes value;
} wsproto_field;

/// One end of a connection: with its handshake, only the handshake, or without it.
typedef struct wsproto_endpoint wsproto_endpoint;
/// Frames in both directions, without the state of a connection.
typedef struct wsproto_frame_protocol wsproto_frame_protocol;
/// Bytes to frames.
typedef struct wsproto_frame_decoder wsproto_frame_decoder;
/// Frames to messages.
typedef struct wsproto_message_decoder wsproto_message_decoder;
/// An extension: permessage-deflate, an offer of the peer, or one made of callbacks. Reference-counted.
typedef struct wsproto_extension wsproto_extension;
/// The opening handshake of an HTTP/2 or HTTP/3 stream.
typedef struct wsproto_negotiation wsproto_negotiation;
/// Compression contexts that connections share: see `wsproto_deflate_pool_new`.
typedef struct wsproto_deflate_pool wsproto_deflate_pool;
/// What went wrong.
typedef struct wsproto_error wsproto_error;
/// Collects the bytes that callbacks return.
typedef struct wsproto_output wsproto_output;

// ---------------------------------------------------------------------------------------------------------- Constants

/// The role of this end (RFC 6455 §1.2).
enum { WSPROTO_CLIENT = 1, WSPROTO_SERVER = 2 };

/// The state of a connection (RFC 6455 §4, §7).
enum {
  WSPROTO_CONNECTING = 0,
  WSPROTO_OPEN = 1,
  /// The peer's Close, or a failure by the peer, was delivered: send a Close with its code.
  WSPROTO_REMOTE_CLOSING = 2,
  WSPROTO_LOCAL_CLOSING = 3,
  /// Close the transport.
  WSPROTO_CLOSED = 4,
  WSPROTO_REJECTING = 5,
};

/// The kinds of events, each with the members of `wsproto_event` that it uses.
enum {
  /// host, target, subprotocols, extensions, fields. Sent by clients, received by servers (§4.1).
  WSPROTO_REQUEST = 1,
  /// subprotocol (NULL data: none), extensions, fields. Sent by servers, received by clients (§4.2.2).
  WSPROTO_ACCEPT_CONNECTION = 2,
  /// code (the HTTP status), has_body, fields. Sent by servers, received by clients.
  WSPROTO_REJECT_CONNECTION = 3,
  /// data, message_finished (the body ends here).
  WSPROTO_REJECT_DATA = 4,
  /// data, frame_finished, message_finished, uncompressed (§5.6).
  WSPROTO_TEXT_MESSAGE = 5,
  /// As WSPROTO_TEXT_MESSAGE.
  WSPROTO_BYTES_MESSAGE = 6,
  /// code (1005: none), data (the reason; NULL data: none) (§7).
  WSPROTO_CLOSE_CONNECTION = 7,
  /// data, up to 125 bytes (§5.5.2).
  WSPROTO_PING = 8,
  /// data, up to 125 bytes (§5.5.3).
  WSPROTO_PONG = 9,
};

/// The kinds of errors.
enum {
  /// The caller's event is illegal, in this state or in general.
  WSPROTO_ERROR_LOCAL = 1,
  /// The peer's part of the handshake is not legal.
  WSPROTO_ERROR_REMOTE = 2,
  /// The peer's frames are not legal: close with `wsproto_error_code`.
  WSPROTO_ERROR_PARSE_FAILED = 3,
};

/// The rule that a local error violates.
enum {
  WSPROTO_VIOLATION_NONE = 0,
  WSPROTO_VIOLATION_STATE = 1,
  WSPROTO_VIOLATION_CLOSE_CODE = 2,
  WSPROTO_VIOLATION_CONTROL_PAYLOAD_TOO_LONG = 3,
  WSPROTO_VIOLATION_MESSAGE_TYPE = 4,
  WSPROTO_VIOLATION_SUBPROTOCOL = 5,
  WSPROTO_VIOLATION_HEAD = 6,
  WSPROTO_VIOLATION_BODY_FRAMING = 7,
  WSPROTO_VIOLATION_EXTENSION = 8,
  /// A callback called the object that called it.
  WSPROTO_VIOLATION_REENTRANCE = 9,
  /// More than `max_untaken_bytes` wait for `wsproto_endpoint_next_event`. Nothing was taken: take the events, then
  /// pass the same bytes again.
  WSPROTO_VIOLATION_EVENTS_NOT_TAKEN = 10,
};

/// Something that happened on a connection, or that you want to send. Members that the kind does not use are zero.
typedef struct wsproto_event {
  /// WSPROTO_REQUEST … WSPROTO_PONG
  int32_t kind;
  int32_t code;
  bool frame_finished;
  bool message_finished;
  /// Sending: don't compress the message even if that was negotiated, for example because it has secrets next to text
  /// that an attacker controls (RFC 7692 §8). Set it on the first part.
  bool uncompressed;
  bool has_body;
  wsproto_bytes data;
  wsproto_bytes host;
  wsproto_bytes target;
  wsproto_bytes subprotocol;
  const wsproto_bytes *subprotocols;
  size_t subprotocol_count;
  const wsproto_field *fields;
  size_t field_count;
  wsproto_extension *const *extensions;
  size_t extension_count;
} wsproto_event;

/// Limits on what a peer may make this end hold or do, in bytes unless stated otherwise; see `Limits` of the Swift
/// API. SIZE_MAX means no limit.
typedef struct wsproto_configuration {
  size_t max_head_bytes;
  /// The number of fields.
  size_t max_head_fields;
  /// Bytes that arrive after a request and before the decision on it.
  size_t max_early_bytes;
  size_t max_frame_payload;
  size_t max_message_wire_bytes;
  size_t max_message_bytes;
  /// The number of frames.
  size_t max_message_fragments;
  /// A part of a compressed message.
  size_t max_part_bytes;
  /// Each message as one event, instead of parts as they arrive.
  bool whole_messages;
  /// What is answered automatically: see `wsproto_endpoint_send_replies`.
  bool automatic_pongs;
  bool automatic_closes;
  bool automatic_rejections;
  /// Received bytes that wait for `wsproto_endpoint_next_event`.
  size_t max_untaken_bytes;
  /// Where connections take contexts from that they need for one message; NULL for contexts of their own. Not used by a
  /// `wsproto_frame_protocol` or a `wsproto_frame_decoder`.
  wsproto_deflate_pool *deflate_pool;
} wsproto_configuration;

/// Sets the defaults.
void wsproto_configuration_init(wsproto_configuration *configuration);

/// A pool that keeps at most `capacity` idle contexts in each direction, at 268 KB for sending and 40 KB for receiving.
/// Where no context takeover was negotiated (RFC 7692 §7.1.1), its connections hold a context only during a message.
/// Use one pool for the connections of a thread: like them it is not thread-safe.
wsproto_deflate_pool *wsproto_deflate_pool_new(size_t capacity);
/// Its connections keep it alive.
void wsproto_deflate_pool_free(wsproto_deflate_pool *pool);
/// How many idle contexts it keeps; either pointer may be NULL.
void wsproto_deflate_pool_idle(wsproto_deflate_pool *pool, size_t *outbound, size_t *inbound);

// --------------------------------------------------------------------------------------------------------- Connections

/// A connection with its HTTP/1.1 handshake. A client begins by sending a WSPROTO_REQUEST.
/// `configuration` may be NULL.
wsproto_endpoint *wsproto_connection_new(int32_t role, const wsproto_configuration *configuration);

/// Only the handshake.
wsproto_endpoint *wsproto_handshake_new(int32_t role, const wsproto_configuration *configuration);

/// A connection whose handshake was done elsewhere. `trailing` are the bytes that followed it in the same read.
wsproto_endpoint *wsproto_open_connection_new(int32_t role, wsproto_extension *const *extensions,
                                              size_t extension_count, wsproto_bytes trailing,
                                              const wsproto_configuration *configuration);

/// The handshake inside a connection, as a separate endpoint that the caller frees; NULL if there is none.
wsproto_endpoint *wsproto_endpoint_handshake(wsproto_endpoint *endpoint);

/// The connection that results from the handshake, as a separate endpoint that the caller frees; NULL until then.
wsproto_endpoint *wsproto_endpoint_connection(wsproto_endpoint *endpoint);

void wsproto_endpoint_free(wsproto_endpoint *endpoint);

/// WSPROTO_CONNECTING … WSPROTO_REJECTING. Changes when an event is taken or sent.
int32_t wsproto_endpoint_state(wsproto_endpoint *endpoint);

/// The code of the violation by the peer that ended the connection; 0 if there was none, also after the peer's Close.
int32_t wsproto_endpoint_failure(wsproto_endpoint *endpoint);

/// Starts a server with a request that an HTTP server has already parsed: all its fields, and its target.
bool wsproto_endpoint_initiate_upgrade(wsproto_endpoint *endpoint, const wsproto_field *fields, size_t field_count,
                                       wsproto_bytes path, wsproto_error **error);

/// Takes bytes from the transport. Then call `wsproto_endpoint_next_event` until it returns NULL. Fails with
/// WSPROTO_VIOLATION_EVENTS_NOT_TAKEN, and takes nothing, if more than `max_untaken_bytes` wait from earlier calls.
bool wsproto_endpoint_receive(wsproto_endpoint *endpoint, const uint8_t *data, size_t count, wsproto_error **error);

/// The transport has ended.
bool wsproto_endpoint_receive_end_of_stream(wsproto_endpoint *endpoint, wsproto_error **error);

/// The next event; NULL if more bytes are needed, and inside a callback.
const wsproto_event *wsproto_endpoint_next_event(wsproto_endpoint *endpoint);

/// Encodes `event` for the transport.
bool wsproto_endpoint_send(wsproto_endpoint *endpoint, const wsproto_event *event, wsproto_bytes *output,
                           wsproto_error **error);

/// The bytes of the waiting automatic replies: a pong for the newest ping, then a Close, or the response to an
/// illegal handshake. Empty if none wait. To send one pong per ping, call it after each event.
/// `wsproto_endpoint_send` also puts a waiting pong before its own output. The state changes to WSPROTO_CLOSED here,
/// as with a send of the same event. Fails if an extension refuses a reply, which is then dropped; call it again for
/// the other one.
bool wsproto_endpoint_send_replies(wsproto_endpoint *endpoint, wsproto_bytes *output, wsproto_error **error);

/// The maximum number of bytes that the waiting replies take; 0 if there are none.
size_t wsproto_endpoint_waiting_reply_bytes(wsproto_endpoint *endpoint);

/// Releases the compression contexts that no later message needs, to the connection's pool or to the system. For idle
/// connections. Returns whether the connection now holds none: a window that the peer's next message may refer to stays.
bool wsproto_endpoint_release_contexts(wsproto_endpoint *endpoint);

// ------------------------------------------------------------------------------------------------- HTTP/2 and HTTP/3

/// The head of a request or a response: its fields, with the pseudo-header fields first (`:method`, `:status`, …), as
/// HPACK and QPACK require.
typedef struct wsproto_head {
  /// The status of a response; 0 for a request.
  int32_t status;
  const wsproto_field *fields;
  size_t field_count;
} wsproto_head;

/// A server's half of an extended CONNECT (RFC 8441, RFC 9220), made of the request that the HTTP library has read.
///
/// ```c
/// wsproto_error *error = NULL;
/// wsproto_negotiation *negotiation = wsproto_server_negotiation_new(fields, field_count, true, NULL, &error);
/// wsproto_head head;
/// if (!negotiation) {
///   if (wsproto_error_response(error, &head)) send_head(stream, &head);  // and end the stream
///   wsproto_error_free(error);
///   return;
/// }
/// const wsproto_event *request = wsproto_negotiation_request(negotiation);
/// wsproto_event answer = {.kind = WSPROTO_ACCEPT_CONNECTION};
/// if (request->subprotocol_count) answer.subprotocol = request->subprotocols[0];
/// if (wsproto_negotiation_send(negotiation, &answer, &head, NULL)) send_head(stream, &head);
/// wsproto_endpoint *connection = wsproto_negotiation_connection(negotiation);
/// wsproto_negotiation_free(negotiation);
/// // What DATA frames carry goes to wsproto_endpoint_receive, and what wsproto_endpoint_send gives into DATA frames. The
/// // end of the stream, or its reset, is wsproto_endpoint_receive_end_of_stream.
/// wsproto_endpoint_free(connection);
/// ```
///
/// `enable_connect_protocol`: whether this end has sent SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1. Returns
/// NULL and an error if the request isn't legal.
wsproto_negotiation *wsproto_server_negotiation_new(const wsproto_field *fields, size_t field_count,
                                                    bool enable_connect_protocol,
                                                    const wsproto_configuration *configuration, wsproto_error **error);

/// A client's half, made of a WSPROTO_REQUEST. Send `wsproto_negotiation_request_head`, and hand over what comes back.
///
/// `is_secure`: whether the URL has `wss`. `enable_connect_protocol`: whether the server has sent
/// SETTINGS_ENABLE_CONNECT_PROTOCOL with the value 1; without it such a request must not be sent (RFC 8441 §4).
wsproto_negotiation *wsproto_client_negotiation_new(const wsproto_event *request, bool is_secure,
                                                    bool enable_connect_protocol,
                                                    const wsproto_configuration *configuration, wsproto_error **error);

/// A connection that was made is not freed.
void wsproto_negotiation_free(wsproto_negotiation *negotiation);

/// Server: the WSPROTO_REQUEST to decide on.
const wsproto_event *wsproto_negotiation_request(wsproto_negotiation *negotiation);

/// Server: the response for a WSPROTO_ACCEPT_CONNECTION or WSPROTO_REJECT_CONNECTION. The HTTP library sends the body
/// of a refusal.
bool wsproto_negotiation_send(wsproto_negotiation *negotiation, const wsproto_event *event, wsproto_head *response,
                              wsproto_error **error);

/// Client: the request to send.
wsproto_head wsproto_negotiation_request_head(wsproto_negotiation *negotiation);

/// Client: takes the fields of a response. `*event` is a WSPROTO_ACCEPT_CONNECTION, a WSPROTO_REJECT_CONNECTION, or NULL
/// if another response follows. Reset the stream if this fails.
bool wsproto_negotiation_receive(wsproto_negotiation *negotiation, const wsproto_field *fields, size_t field_count,
                                 const wsproto_event **event, wsproto_error **error);

/// The connection that results from the negotiation, as an endpoint that the caller frees; NULL until then.
wsproto_endpoint *wsproto_negotiation_connection(wsproto_negotiation *negotiation);

// -------------------------------------------------------------------------------------------------------------- Errors

/// WSPROTO_ERROR_LOCAL, WSPROTO_ERROR_REMOTE or WSPROTO_ERROR_PARSE_FAILED.
int32_t wsproto_error_kind(const wsproto_error *error);
/// WSPROTO_VIOLATION_…; WSPROTO_VIOLATION_NONE unless the error is a local one.
int32_t wsproto_error_violation(const wsproto_error *error);
/// The code to close with; 0 unless frames could not be parsed.
int32_t wsproto_error_code(const wsproto_error *error);
wsproto_bytes wsproto_error_message(const wsproto_error *error);
/// Details; NULL data if the message says everything.
wsproto_bytes wsproto_error_detail(const wsproto_error *error);
/// What a server sends before it closes the transport; NULL if there is nothing to send.
const wsproto_event *wsproto_error_event_hint(const wsproto_error *error);
/// The same as an HTTP/2 or HTTP/3 response; `false` if there is nothing to send.
bool wsproto_error_response(const wsproto_error *error, wsproto_head *response);
void wsproto_error_free(wsproto_error *error);

// ---------------------------------------------------------------------------------------------------------- Extensions

/// The parameters of permessage-deflate (RFC 7692 §7.1). With all of them zero, an offer is the same as the
/// browsers'.
typedef struct wsproto_deflate_parameters {
  bool client_no_context_takeover;
  bool server_no_context_takeover;
  /// 9 to 15; 0: the bare parameter, for 15 or what the server asks for; -1: an offer without it. Negotiated: the
  /// value.
  int32_t client_max_window_bits;
  /// 9 to 15; 0: 15, and an offer without it. Negotiated: the value.
  int32_t server_max_window_bits;
} wsproto_deflate_parameters;

/// An extension made of callbacks (RFC 6455 §9). Every callback gets `context`. A NULL callback does the same as the
/// default in Swift. Names and parameters are in the format of `Sec-WebSocket-Extensions`.
typedef struct wsproto_extension_callbacks {
  void *context;
  /// Called once, when nothing uses the extension any more.
  void (*release)(void *context);
  bool (*enabled)(void *context);
  /// Client: whether to offer it; parameters, if any, are appended to `parameters` (`name=value; name`).
  bool (*offer)(void *context, wsproto_output *parameters);
  /// Server: whether to accept `offer` (`name; parameters`); the parameters of the answer are appended to
  /// `parameters`.
  bool (*accept)(void *context, const uint8_t *offer, size_t offer_count, wsproto_output *parameters);
  /// Client: whether the server's answer (`name; parameters`) is legal; if not, `message` may say why.
  bool (*finalize)(void *context, const uint8_t *accepted, size_t accepted_count, wsproto_output *message);
  /// `rsv`: in, the bits of the frame; out, those that the extension claims (RSV1 is 4, RSV2 is 2, RSV3 is 1).
  /// Returns 0, or the code to close with; an endpoint closes with 1011 if no Close may carry that code.
  int32_t (*frame_inbound_header)(void *context, int32_t role, uint8_t opcode, uint8_t *rsv,
                                  uint64_t payload_length);
  /// Appends the replacement of the data. Returns 0, or the code to close with.
  int32_t (*frame_inbound_payload_data)(void *context, int32_t role, const uint8_t *data, size_t count,
                                        wsproto_output *output);
  /// Appends what follows the frame's data. Returns 0, or the code to close with.
  int32_t (*frame_inbound_complete)(void *context, int32_t role, bool fin, wsproto_output *output);
  /// Changes `rsv`, and appends the replacement of the data. Returns 0, or another value to refuse.
  int32_t (*frame_outbound)(void *context, int32_t role, uint8_t opcode, uint8_t *rsv, const uint8_t *data,
                            size_t count, bool fin, wsproto_output *output);
} wsproto_extension_callbacks;

/// For callbacks: appends bytes to their result.
void wsproto_output_append(wsproto_output *output, const uint8_t *data, size_t count);

/// permessage-deflate. Returns NULL and an error if a window size is out of range.
///
/// A handshake that uses it writes the negotiated parameters back into it.
wsproto_extension *wsproto_deflate_new(const wsproto_deflate_parameters *parameters, wsproto_error **error);

/// The parameters, requested or negotiated. `false` if the extension isn't permessage-deflate.
bool wsproto_deflate_get_parameters(const wsproto_extension *extension, wsproto_deflate_parameters *parameters);

/// A custom extension.
wsproto_extension *wsproto_callback_extension_new(wsproto_bytes name, const wsproto_extension_callbacks *callbacks);

wsproto_extension *wsproto_extension_retain(wsproto_extension *extension);
void wsproto_extension_free(wsproto_extension *extension);

/// The texts are valid until the next call on the extension.
wsproto_bytes wsproto_extension_name(wsproto_extension *extension);
/// The name and the parameters of an offer that a server has received, in the format of the header field.
wsproto_bytes wsproto_extension_description(wsproto_extension *extension);
bool wsproto_extension_enabled(wsproto_extension *extension);
/// `false` if there is nothing to offer.
bool wsproto_extension_offer(wsproto_extension *extension, wsproto_bytes *parameters);
/// `false` if the offer (`name; parameters`) is declined.
bool wsproto_extension_accept(wsproto_extension *extension, wsproto_bytes offer, wsproto_bytes *parameters);
bool wsproto_extension_finalize(wsproto_extension *extension, wsproto_bytes accepted, wsproto_error **error);
bool wsproto_extension_frame_inbound_header(wsproto_extension *extension, int32_t role, uint8_t opcode, uint8_t *rsv,
                                            uint64_t payload_length, wsproto_error **error);
bool wsproto_extension_frame_inbound_payload_data(wsproto_extension *extension, int32_t role, wsproto_bytes data,
                                                  wsproto_bytes *output, wsproto_error **error);
/// `output->data` is NULL if the extension appends nothing.
bool wsproto_extension_frame_inbound_complete(wsproto_extension *extension, int32_t role, bool fin,
                                              wsproto_bytes *output, wsproto_error **error);
bool wsproto_extension_frame_outbound(wsproto_extension *extension, int32_t role, uint8_t opcode, uint8_t *rsv,
                                      wsproto_bytes data, bool fin, wsproto_bytes *output, wsproto_error **error);

/// The server's half of the negotiation. `offers` is the value of the client's header field; the answer has NULL data
/// if nothing was accepted. `false` if `offers` cannot be parsed.
bool wsproto_server_extensions_handshake(wsproto_bytes offers, wsproto_extension *const *supported,
                                         size_t supported_count, wsproto_bytes *answer, wsproto_error **error);

/// The client's half. `accepted` is the value of the server's header field. The indexes in `supported` of the
/// extensions in use are stored in `in_use`, which has room for `supported_count`.
bool wsproto_client_extensions_handshake(wsproto_bytes accepted, wsproto_extension *const *supported,
                                         size_t supported_count, size_t *in_use, size_t *in_use_count,
                                         wsproto_error **error);

// -------------------------------------------------------------------------------------------------------------- Frames

/// A frame, or a part of one (RFC 6455 §5.2). Opcodes: 0 continuation, 1 text, 2 binary, 8 close, 9 ping, 10 pong.
typedef struct wsproto_frame {
  uint8_t opcode;
  bool frame_finished;
  bool message_finished;
  /// For a parsed Close: its code, 1005 for none; otherwise 0.
  int32_t code;
  /// The payload; for a parsed Close, its reason.
  wsproto_bytes data;
} wsproto_frame;

wsproto_frame_protocol *wsproto_frame_protocol_new(int32_t role, wsproto_extension *const *extensions,
                                                   size_t extension_count,
                                                   const wsproto_configuration *configuration);
void wsproto_frame_protocol_free(wsproto_frame_protocol *protocol);
/// `false` inside a callback: the bytes were not taken.
bool wsproto_frame_protocol_receive(wsproto_frame_protocol *protocol, const uint8_t *data, size_t count);
/// `*frame` is NULL when more bytes are needed.
bool wsproto_frame_protocol_next_frame(wsproto_frame_protocol *protocol, const wsproto_frame **frame,
                                       wsproto_error **error);
/// `opcode`: 1 or 2 for a message or a part of one, 9 or 10 for a ping or a pong.
bool wsproto_frame_protocol_send(wsproto_frame_protocol *protocol, uint8_t opcode, wsproto_bytes payload, bool fin,
                                 wsproto_bytes *output, wsproto_error **error);
/// `code`: 0 for none; `reason`: NULL data for none.
bool wsproto_frame_protocol_close(wsproto_frame_protocol *protocol, int32_t code, wsproto_bytes reason,
                                  wsproto_bytes *output, wsproto_error **error);

wsproto_frame_decoder *wsproto_frame_decoder_new(int32_t role, wsproto_extension *const *extensions,
                                                 size_t extension_count, const wsproto_configuration *configuration);
void wsproto_frame_decoder_free(wsproto_frame_decoder *decoder);
/// `false` inside a callback: the bytes were not taken.
bool wsproto_frame_decoder_receive(wsproto_frame_decoder *decoder, const uint8_t *data, size_t count);
/// `*frame` is NULL when more bytes are needed.
bool wsproto_frame_decoder_next_frame(wsproto_frame_decoder *decoder, const wsproto_frame **frame,
                                      wsproto_error **error);

wsproto_message_decoder *wsproto_message_decoder_new(void);
void wsproto_message_decoder_free(wsproto_message_decoder *decoder);
/// Takes a data frame; returns it with the type of its message and with text cut between characters.
bool wsproto_message_decoder_process(wsproto_message_decoder *decoder, const wsproto_frame *frame,
                                     const wsproto_frame **result, wsproto_error **error);
/// The type of the current message; 0 between messages.
uint8_t wsproto_message_decoder_opcode(wsproto_message_decoder *decoder);

/// Masks bytes in place (RFC 6455 §5.3). `key`: as in the frame's header.
void wsproto_mask(uint8_t *data, size_t count, const uint8_t key[4]);

// ----------------------------------------------------------------------------------------------------------- Utilities

/// The 28 characters of `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
void wsproto_generate_accept_token(wsproto_bytes key, uint8_t token[28]);

/// The 24 characters of a `Sec-WebSocket-Key` (RFC 6455 §4.1).
void wsproto_generate_nonce(uint8_t nonce[24]);

/// Calls `element` with each element of a comma-separated field value.
void wsproto_split_comma_header(wsproto_bytes value, void *context,
                                void (*element)(void *context, const uint8_t *data, size_t count));

/// Calls `field` with each field name, in lower case, and its values joined.
void wsproto_normed_header_dict(const wsproto_field *fields, size_t field_count, void *context,
                                void (*field)(void *context, const uint8_t *name, size_t name_count,
                                              const uint8_t *value, size_t value_count));

#ifdef __cplusplus
}
#endif

#endif
