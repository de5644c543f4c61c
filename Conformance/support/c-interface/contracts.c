// SPDX-License-Identifier: Apache-2.0
// What the header promises about callbacks, memory, sizes and threads.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "wsproto.h"

static int checks;

static void check(bool fine, const char *what) {
  __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
  if (!fine) {
    printf("FAILED %s\n", what);
    exit(1);
  }
}

static wsproto_bytes text(const char *string) {
  return (wsproto_bytes){(const uint8_t *)string, strlen(string)};
}

// ----------------------------------------------------------------------------------------------------------- Callbacks

// An extension whose callbacks use the objects that they are called by.
typedef struct {
  wsproto_endpoint *endpoint;
  wsproto_frame_protocol *protocol;
  wsproto_frame_decoder *decoder;
  wsproto_extension *extension;
  bool nested;
  int calls[9];
} Intruder;

enum { RELEASE, ENABLED, OFFER, ACCEPT, FINALIZE, HEADER, PAYLOAD, COMPLETE, OUTBOUND };

static void refused(wsproto_error *error, const char *what) {
  check(error && wsproto_error_kind(error) == WSPROTO_ERROR_LOCAL
            && wsproto_error_violation(error) == WSPROTO_VIOLATION_REENTRANCE
            && wsproto_error_message(error).count > 0, what);
  wsproto_error_free(error);
}

static void intrude(Intruder *intruder, int callback) {
  intruder->calls[callback]++;
  if (intruder->nested) return;
  intruder->nested = true;
  wsproto_error *error = NULL;
  wsproto_bytes output = {NULL, 0};
  const wsproto_frame *frame = NULL;
  if (intruder->endpoint) {
    wsproto_endpoint *endpoint = intruder->endpoint;
    wsproto_endpoint *parts[] = {endpoint, wsproto_endpoint_handshake(endpoint), wsproto_endpoint_connection(endpoint)};
    for (int index = 0; index < 3; index++) {
      endpoint = parts[index];
      if (!endpoint) continue;
      int32_t state = wsproto_endpoint_state(endpoint);
      wsproto_event events[] = {
          {.kind = WSPROTO_PING},
          {.kind = WSPROTO_CLOSE_CONNECTION, .code = 1000},
          {.kind = WSPROTO_REJECT_CONNECTION, .code = 403},
          {.kind = WSPROTO_ACCEPT_CONNECTION},
          {.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/")},
      };
      for (size_t kind = 0; kind < sizeof events / sizeof *events; kind++) {
        check(!wsproto_endpoint_send(endpoint, &events[kind], &output, &error), "send inside of a callback");
        refused(error, "the error of send");
      }
      check(!wsproto_endpoint_receive(endpoint, (const uint8_t *)"\x89\x00", 2, &error), "receive inside of a callback");
      refused(error, "the error of receive");
      check(!wsproto_endpoint_receive(endpoint, NULL, 0, NULL), "receive without a place for the error");
      check(!wsproto_endpoint_receive_end_of_stream(endpoint, &error), "the end of the stream inside of a callback");
      refused(error, "the error of the end of the stream");
      check(!wsproto_endpoint_initiate_upgrade(endpoint, NULL, 0, text("/"), &error), "an upgrade inside of a callback");
      refused(error, "the error of an upgrade");
      check(!wsproto_endpoint_next_event(endpoint), "an event inside of a callback");
      check(wsproto_endpoint_state(endpoint) == state && !wsproto_endpoint_failure(endpoint), "nothing has changed");
    }
    wsproto_endpoint_free(parts[1]);
    wsproto_endpoint_free(parts[2]);
  }
  if (intruder->protocol) {
    check(!wsproto_frame_protocol_receive(intruder->protocol, (const uint8_t *)"\x89", 1), "protocol, receive");
    check(!wsproto_frame_protocol_next_frame(intruder->protocol, &frame, &error), "protocol, next frame");
    refused(error, "the error of the next frame");
    check(!wsproto_frame_protocol_send(intruder->protocol, 1, text("x"), true, &output, &error), "protocol, send");
    refused(error, "the error of the protocol's send");
    check(!wsproto_frame_protocol_close(intruder->protocol, 1000, text(""), &output, &error), "protocol, close");
    refused(error, "the error of the protocol's close");
  }
  if (intruder->decoder) {
    check(!wsproto_frame_decoder_receive(intruder->decoder, (const uint8_t *)"\x89", 1), "decoder, receive");
    check(!wsproto_frame_decoder_next_frame(intruder->decoder, &frame, &error), "decoder, next frame");
    refused(error, "the error of the decoder");
  }
  // The extension itself can be used.
  if (intruder->extension) {
    check(wsproto_extension_enabled(intruder->extension), "enabled, from a callback");
    check(wsproto_extension_offer(intruder->extension, &output), "offer, from a callback");
    check(wsproto_extension_accept(intruder->extension, text("intruder"), &output), "accept, from a callback");
    check(wsproto_extension_finalize(intruder->extension, text("intruder"), NULL), "finalize, from a callback");
  }
  intruder->nested = false;
}

static void intruder_release(void *context) {
  Intruder *intruder = context;
  intruder->extension = NULL;
  intrude(intruder, RELEASE);
}
static bool intruder_enabled(void *context) {
  intrude(context, ENABLED);
  return true;
}
static bool intruder_offer(void *context, wsproto_output *parameters) {
  intrude(context, OFFER);
  return true;
}
static bool intruder_accept(void *context, const uint8_t *offer, size_t count, wsproto_output *parameters) {
  intrude(context, ACCEPT);
  return true;
}
static bool intruder_finalize(void *context, const uint8_t *accepted, size_t count, wsproto_output *message) {
  intrude(context, FINALIZE);
  return true;
}
static int32_t intruder_header(void *context, int32_t role, uint8_t opcode, uint8_t *rsv, uint64_t length) {
  intrude(context, HEADER);
  *rsv = 0;
  return 0;
}
static int32_t intruder_payload(void *context, int32_t role, const uint8_t *data, size_t count,
                                wsproto_output *output) {
  intrude(context, PAYLOAD);
  wsproto_output_append(output, data, count);
  return 0;
}
static int32_t intruder_complete(void *context, int32_t role, bool fin, wsproto_output *output) {
  intrude(context, COMPLETE);
  return 0;
}
static int32_t intruder_outbound(void *context, int32_t role, uint8_t opcode, uint8_t *rsv, const uint8_t *data,
                                 size_t count, bool fin, wsproto_output *output) {
  intrude(context, OUTBOUND);
  wsproto_output_append(output, data, count);
  return 0;
}

static wsproto_extension *intruder_new(Intruder *intruder) {
  wsproto_extension_callbacks callbacks = {
      .context = intruder, .release = intruder_release, .enabled = intruder_enabled, .offer = intruder_offer,
      .accept = intruder_accept, .finalize = intruder_finalize, .frame_inbound_header = intruder_header,
      .frame_inbound_payload_data = intruder_payload, .frame_inbound_complete = intruder_complete,
      .frame_outbound = intruder_outbound};
  intruder->extension = wsproto_callback_extension_new(text("intruder"), &callbacks);
  return intruder->extension;
}

// What `from` sends for `event` goes to `to`.
static void transfer(wsproto_endpoint *from, const wsproto_event *event, wsproto_endpoint *to) {
  wsproto_bytes output;
  check(wsproto_endpoint_send(from, event, &output, NULL), "send");
  check(wsproto_endpoint_receive(to, output.data, output.count, NULL), "receive");
}

static void expect(wsproto_endpoint *endpoint, int32_t kind, const char *what) {
  const wsproto_event *event = wsproto_endpoint_next_event(endpoint);
  check(event && event->kind == kind, what);
}

static void open_pair(wsproto_endpoint **client, wsproto_extension *offered, wsproto_endpoint **server,
                      wsproto_extension *supported) {
  wsproto_event request = {.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/"),
                           .extensions = &offered, .extension_count = offered != NULL};
  transfer(*client, &request, *server);
  expect(*server, WSPROTO_REQUEST, "request");
  wsproto_event accept = {.kind = WSPROTO_ACCEPT_CONNECTION, .extensions = &supported,
                          .extension_count = supported != NULL};
  transfer(*server, &accept, *client);
  expect(*client, WSPROTO_ACCEPT_CONNECTION, "acceptance");
}

// fault: C8
static void callbacks_cannot_use_their_endpoint(void) {
  Intruder ends[2] = {{.endpoint = wsproto_connection_new(WSPROTO_CLIENT, NULL)},
                      {.endpoint = wsproto_connection_new(WSPROTO_SERVER, NULL)}};
  wsproto_endpoint *client = ends[0].endpoint, *server = ends[1].endpoint;
  wsproto_extension *offered = intruder_new(&ends[0]), *supported = intruder_new(&ends[1]);
  open_pair(&client, offered, &server, supported);
  for (int turn = 0; turn < 2; turn++) {
    wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = text("abc"), .message_finished = true};
    wsproto_endpoint *from = turn ? server : client, *to = turn ? client : server;
    transfer(from, &message, to);
    const wsproto_event *event = wsproto_endpoint_next_event(to);
    check(event && event->kind == WSPROTO_BYTES_MESSAGE && event->data.count == 3, "the call itself goes on");
    check(!wsproto_endpoint_next_event(to), "nothing that a callback sent or received");
  }
  wsproto_extension_free(offered);
  wsproto_extension_free(supported);
  // The last reference to the extensions goes with these.
  ends[0].endpoint = ends[1].endpoint = NULL;
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
  for (int end = 0; end < 2; end++)
    for (int callback = 0; callback <= OUTBOUND; callback++) {
      bool wanted = callback != (end ? OFFER : ACCEPT) && callback != (end ? FINALIZE : RELEASE);
      if (wanted) check(ends[end].calls[callback] > 0, "every callback was called");
    }
  check(ends[0].calls[RELEASE] == 1 && ends[1].calls[RELEASE] == 1, "released once");
}

// fault: C8
static void callbacks_cannot_use_their_frame_protocol(void) {
  Intruder intruder = {0};
  wsproto_extension *extension = intruder_new(&intruder);
  intruder.protocol = wsproto_frame_protocol_new(WSPROTO_CLIENT, &extension, 1, NULL);
  wsproto_bytes output;
  check(wsproto_frame_protocol_send(intruder.protocol, 2, text("abc"), true, &output, NULL), "send");
  check(output.count == 2 + 4 + 3, "one frame");
  const wsproto_frame *frame;
  check(wsproto_frame_protocol_receive(intruder.protocol, (const uint8_t *)"\x82\x02hi\x89\x00", 6), "receive");
  check(wsproto_frame_protocol_next_frame(intruder.protocol, &frame, NULL) && frame->data.count == 2, "frame");
  check(wsproto_frame_protocol_next_frame(intruder.protocol, &frame, NULL) && frame->opcode == 9, "ping");
  wsproto_frame_protocol_free(intruder.protocol);
  intruder.protocol = NULL;

  intruder.decoder = wsproto_frame_decoder_new(WSPROTO_CLIENT, &extension, 1, NULL);
  check(wsproto_frame_decoder_receive(intruder.decoder, (const uint8_t *)"\x82\x02hi", 4), "receive");
  check(wsproto_frame_decoder_next_frame(intruder.decoder, &frame, NULL) && frame->data.count == 2, "frame");
  wsproto_frame_decoder_free(intruder.decoder);
  intruder.decoder = NULL;
  check(intruder.calls[HEADER] == 3 && intruder.calls[PAYLOAD] == 3 && intruder.calls[OUTBOUND] == 1, "called");

  wsproto_bytes parameters;
  check(wsproto_extension_accept(extension, text("intruder"), &parameters), "an extension within itself");
  wsproto_extension_free(extension);
}

// A failed send leaves the extensions of the one that was sent before.
static void a_failed_send_changes_nothing(void) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  wsproto_extension *offered = wsproto_deflate_new(&parameters, NULL), *other = wsproto_deflate_new(&parameters, NULL);
  wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
  wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  wsproto_event request = {.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/"),
                           .extensions = &offered, .extension_count = 1};
  transfer(client, &request, server);
  expect(server, WSPROTO_REQUEST, "request");
  request.extensions = &other;
  wsproto_bytes output;
  check(!wsproto_endpoint_send(client, &request, &output, NULL), "a second request");
  wsproto_event accept = {.kind = WSPROTO_ACCEPT_CONNECTION, .extensions = &other, .extension_count = 1};
  transfer(server, &accept, client);
  const wsproto_event *event = wsproto_endpoint_next_event(client);
  check(event && event->extension_count == 1 && event->extensions[0] == offered, "the extension that was offered");
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
  wsproto_extension_free(offered);
  wsproto_extension_free(other);
}

// -------------------------------------------------------------------------------------------------------------- Memory

// What malloc has given out; 0 where it doesn't tell, as with a sanitizer.
static size_t held(void) {
#if defined(__GLIBC__)
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

// What an idle object may hold beyond what it held before; see FAULTS, M1 and M5.
enum { IDLE = 16 << 10 };

// fault: M5
static void a_large_send_is_not_held(bool compressed) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  wsproto_extension *extensions[2] = {wsproto_deflate_new(&parameters, NULL), wsproto_deflate_new(&parameters, NULL)};
  wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
  wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  open_pair(&client, compressed ? extensions[0] : NULL, &server, compressed ? extensions[1] : NULL);
  size_t count = 8 << 20;
  uint8_t *large = malloc(count);
  for (size_t index = 0; index < count; index++) large[index] = (uint8_t)(index * index >> 7);
  wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = {large, 5}, .message_finished = true};
  wsproto_bytes output;
  // Makes the compression contexts.
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send");
  size_t before = held();
  message.data.count = count;
  check(wsproto_endpoint_send(server, &message, &output, NULL) && output.count > 1 << 16, "send 8 MiB");
  check(held() <= before + output.count + IDLE, "8 MiB are held once, until the next call");
  check(wsproto_endpoint_receive(server, NULL, 0, NULL), "receive nothing");
  check(held() <= before + IDLE, "an idle endpoint does not hold 8 MiB");
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send 8 MiB again");
  message.data.count = 5;
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send 5 bytes");
  check(held() <= before + IDLE, "an endpoint that goes on with small messages does not hold 8 MiB");

  wsproto_event illegal = {.kind = WSPROTO_TEXT_MESSAGE, .data = {large, count}};
  message.message_finished = false;
  check(wsproto_endpoint_send(server, &message, &output, NULL), "a part");
  check(!wsproto_endpoint_send(server, &illegal, &output, NULL), "text inside of bytes");
  check(held() <= before + IDLE, "a failed send holds nothing");

  free(large);
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
  wsproto_extension_free(extensions[0]);
  wsproto_extension_free(extensions[1]);
}

// fault: M5
static void a_large_event_is_not_held(void) {
  wsproto_endpoint *client = wsproto_open_connection_new(WSPROTO_CLIENT, NULL, 0, (wsproto_bytes){NULL, 0}, NULL);
  size_t count = 8 << 20;
  uint8_t *large = calloc(count + 10, 1);
  size_t before = held();
  memcpy(large, (uint8_t[]){0x82, 127, 0, 0, 0, 0, 0, 0x80, 0, 0}, 10);
  check(wsproto_endpoint_receive(client, large, count + 10, NULL), "receive 8 MiB");
  expect(client, WSPROTO_BYTES_MESSAGE, "a message");
  while (wsproto_endpoint_next_event(client)) {}
  check(held() <= before + IDLE + (20 << 10), "an idle endpoint does not hold the event");
  wsproto_endpoint_free(client);

  wsproto_configuration configuration;
  wsproto_configuration_init(&configuration);
  configuration.max_head_bytes = configuration.max_head_fields = SIZE_MAX;
  wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, &configuration);
  wsproto_field *fields = calloc(20003, sizeof *fields);
  for (int index = 0; index < 20000; index++) fields[index] = (wsproto_field){text("A"), text("b")};
  const char *head[] = {"Host", "example.com", "Upgrade", "websocket", "Connection", "Upgrade"};
  for (int index = 0; index < 3; index++)
    fields[20000 + index] = (wsproto_field){text(head[2 * index]), text(head[2 * index + 1])};
  wsproto_field required[] = {{text("Sec-WebSocket-Version"), text("13")},
                              {text("Sec-WebSocket-Key"), text("dGhlIHNhbXBsZSBub25jZQ==")}};
  fields[0] = required[0];
  fields[1] = required[1];
  wsproto_error *error = NULL;
  check(wsproto_endpoint_initiate_upgrade(server, fields, 20003, text("/"), &error), "20,000 fields");
  const wsproto_event *event = wsproto_endpoint_next_event(server);
  check(event && event->kind == WSPROTO_REQUEST && event->field_count > 20000, "SIZE_MAX is no limit");
  wsproto_event accept = {.kind = WSPROTO_ACCEPT_CONNECTION};
  wsproto_bytes output;
  check(wsproto_endpoint_send(server, &accept, &output, NULL), "accept");
  while (wsproto_endpoint_next_event(server)) {}
  free(fields);
  free(large);
  wsproto_endpoint_free(server);
}

// fault: M5
static void a_large_frame_is_not_held(void) {
  wsproto_frame_protocol *protocol = wsproto_frame_protocol_new(WSPROTO_CLIENT, NULL, 0, NULL);
  size_t count = 8 << 20, before = held();
  uint8_t *large = calloc(count, 1);
  wsproto_bytes output;
  check(wsproto_frame_protocol_send(protocol, 2, (wsproto_bytes){large, count}, true, &output, NULL), "send 8 MiB");
  free(large);
  check(wsproto_frame_protocol_receive(protocol, NULL, 0), "receive nothing");
  check(held() <= before + IDLE, "an idle frame protocol does not hold 8 MiB");
  wsproto_frame_protocol_free(protocol);
}

static void sizes(void) {
  wsproto_endpoint *client = wsproto_open_connection_new(WSPROTO_CLIENT, NULL, 0, (wsproto_bytes){NULL, 7}, NULL);
  check(wsproto_endpoint_receive(client, (const uint8_t *)"", (size_t)-1, NULL), "what a failed recv returns");
  check(!wsproto_endpoint_next_event(client), "no bytes, no event");
  wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = {NULL, 7}, .message_finished = true};
  wsproto_bytes output;
  check(wsproto_endpoint_send(client, &message, &output, NULL) && output.count == 6, "NULL data is empty");
  wsproto_endpoint_free(client);
}

// ------------------------------------------------------------------------------------------------------------- Threads

enum { THREADS = 4, ROUNDS = 300 };

typedef struct {
  wsproto_extension *supported;
  wsproto_endpoint *one;
  pthread_mutex_t *lock;
  wsproto_bytes wire;
} Work;

// Connections of its own, with an extension that all threads share.
static void *connect_often(void *argument) {
  Work *work = argument;
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  for (int round = 0; round < ROUNDS; round++) {
    wsproto_extension *offered = wsproto_deflate_new(&parameters, NULL);
    wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
    wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
    open_pair(&client, offered, &server, work->supported);
    check(wsproto_extension_enabled(work->supported), "negotiated");
    wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("shared"), .message_finished = true};
    transfer(client, &message, server);
    expect(server, WSPROTO_TEXT_MESSAGE, "a message");
    wsproto_endpoint_free(client);
    wsproto_endpoint_free(server);
    wsproto_extension_free(offered);
  }
  return NULL;
}

// One endpoint for all threads, under a lock; the parts of a connection are one endpoint.
static void *send_under_a_lock(void *argument) {
  Work *work = argument;
  for (int round = 0; round < 10 * ROUNDS; round++) {
    wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = text("locked"), .message_finished = true};
    wsproto_bytes output;
    pthread_mutex_lock(work->lock);
    check(wsproto_endpoint_send(work->one, &message, &output, NULL) && output.count == 2 + 4 + 6, "send");
    check(wsproto_endpoint_receive(work->one, (const uint8_t *)"\x8A\x00", 2, NULL), "receive");
    const wsproto_event *event = wsproto_endpoint_next_event(work->one);
    check(event && event->kind == WSPROTO_PONG, "a pong");
    pthread_mutex_unlock(work->lock);
  }
  return NULL;
}

static void in_threads(void *(*body)(void *), Work *work) {
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++) pthread_create(&threads[index], NULL, body, work);
  for (int index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
}

// fault: B1
static void threads(void) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  Work work = {.supported = wsproto_deflate_new(&parameters, NULL), .lock = &lock};
  in_threads(connect_often, &work);
  wsproto_extension_free(work.supported);
  work.one = wsproto_open_connection_new(WSPROTO_CLIENT, NULL, 0, (wsproto_bytes){NULL, 0}, NULL);
  in_threads(send_under_a_lock, &work);
  wsproto_endpoint_free(work.one);
}

int main(void) {
  callbacks_cannot_use_their_endpoint();
  callbacks_cannot_use_their_frame_protocol();
  a_failed_send_changes_nothing();
  a_large_send_is_not_held(false);
  a_large_send_is_not_held(true);
  a_large_event_is_not_held();
  a_large_frame_is_not_held();
  sizes();
  threads();
  printf("ok, %d checks%s\n", checks, held() ? "" : ", none of memory: malloc doesn't tell");
  return 0;
}
