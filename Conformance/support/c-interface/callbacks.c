// SPDX-License-Identifier: Apache-2.0
// A callback that uses the object that it is called by gets an error, and nothing changes.

#include "check.h"

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

int main(void) {
  callbacks_cannot_use_their_endpoint();
  callbacks_cannot_use_their_frame_protocol();
  a_failed_send_changes_nothing();
  printf("ok, %d checks\n", checks);
  return 0;
}
