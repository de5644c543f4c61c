// SPDX-License-Identifier: Apache-2.0
// The opening handshake of HTTP/2 and HTTP/3 as lists of fields: both halves, refusals, a callback that calls back.

#include "check.h"

static bool is(wsproto_bytes bytes, const char *string) {
  return bytes.count == strlen(string) && memcmp(bytes.data, string, bytes.count) == 0;
}

static bool has(wsproto_head head, size_t index, const char *name, const char *value) {
  return index < head.field_count && is(head.fields[index].name, name) && is(head.fields[index].value, value);
}

// A head whose memory is the test's, as it would have come from a wire.
typedef struct {
  wsproto_field fields[16];
  size_t count;
  char memory[1024];
  size_t used;
} Wire;

static wsproto_bytes keep(Wire *wire, wsproto_bytes bytes) {
  check(wire->used + bytes.count < sizeof wire->memory, "room");
  char *start = wire->memory + wire->used;
  memcpy(start, bytes.data, bytes.count);
  wire->used += bytes.count;
  return (wsproto_bytes){(const uint8_t *)start, bytes.count};
}

static void put(Wire *wire, wsproto_head head) {
  wire->count = wire->used = 0;
  for (size_t index = 0; index < head.field_count; index++)
    wire->fields[wire->count++] = (wsproto_field){keep(wire, head.fields[index].name), keep(wire, head.fields[index].value)};
}

static void set(Wire *wire, const char *name, const char *value) {
  for (size_t index = 0; index < wire->count; index++)
    if (is(wire->fields[index].name, name)) wire->fields[index].value = keep(wire, text(value));
}

static wsproto_event request(wsproto_extension *const *extension, const wsproto_bytes *subprotocol) {
  return (wsproto_event){.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/chat"),
                         .extensions = extension, .extension_count = extension != NULL,
                         .subprotocols = subprotocol, .subprotocol_count = 1};
}

static void accepted(void) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 11};
  wsproto_extension *offered = wsproto_deflate_new(&parameters, NULL);
  parameters.server_max_window_bits = 15;
  wsproto_extension *supported = wsproto_deflate_new(&parameters, NULL);
  wsproto_bytes chat = text("chat");
  wsproto_event asked = request(&offered, &chat);
  wsproto_negotiation *client = wsproto_client_negotiation_new(&asked, true, true, NULL, NULL);
  check(client && !wsproto_negotiation_request(client) && !wsproto_negotiation_connection(client), "a client's half");
  wsproto_head head = wsproto_negotiation_request_head(client);
  check(head.status == 0 && has(head, 0, ":method", "CONNECT") && has(head, 1, ":scheme", "https")
            && has(head, 2, ":authority", "example.com") && has(head, 3, ":path", "/chat")
            && has(head, 4, ":protocol", "websocket") && has(head, 5, "sec-websocket-version", "13")
            && has(head, 6, "sec-websocket-protocol", "chat") && is(head.fields[7].name, "sec-websocket-extensions")
            && head.field_count == 8, "a request as in RFC 8441 section 5.1");
  Wire wire;
  put(&wire, head);

  wsproto_negotiation *server = wsproto_server_negotiation_new(wire.fields, wire.count, true, NULL, NULL);
  const wsproto_event *event = wsproto_negotiation_request(server);
  check(event && event->kind == WSPROTO_REQUEST && is(event->host, "example.com") && is(event->target, "/chat")
            && event->subprotocol_count == 1 && event->extension_count == 1, "what is asked for");
  check(wsproto_negotiation_request_head(server).field_count == 0, "a server sends no request");
  wsproto_error *error = NULL;
  wsproto_event answer = {.kind = WSPROTO_ACCEPT_CONNECTION, .subprotocol = text("other")};
  check(!wsproto_negotiation_send(server, &answer, &head, &error)
            && wsproto_error_violation(error) == WSPROTO_VIOLATION_SUBPROTOCOL, "a subprotocol that was not requested");
  wsproto_error_free(error);
  answer = (wsproto_event){.kind = WSPROTO_ACCEPT_CONNECTION, .subprotocol = text("chat"), .extensions = &supported,
                           .extension_count = 1};
  check(wsproto_negotiation_send(server, &answer, &head, NULL), "accept");
  check(head.status == 200 && has(head, 0, ":status", "200") && has(head, 1, "sec-websocket-protocol", "chat")
            && is(head.fields[2].name, "sec-websocket-extensions") && head.field_count == 3, "a response");
  put(&wire, head);
  check(!wsproto_negotiation_send(server, &answer, &head, NULL), "one answer only");

  wsproto_field early[] = {{text(":status"), text("103")}};
  check(wsproto_negotiation_receive(client, early, 1, &event, NULL) && !event, "103 comes before the response");
  check(wsproto_negotiation_receive(client, wire.fields, wire.count, &event, NULL), "response");
  check(event && event->kind == WSPROTO_ACCEPT_CONNECTION && is(event->subprotocol, "chat") && event->extension_count == 1
            && event->extensions[0] == offered, "the extension is the one offered");
  check(!wsproto_negotiation_receive(client, wire.fields, wire.count, &event, NULL), "one response only");
  check(wsproto_deflate_get_parameters(supported, &parameters) && parameters.server_max_window_bits == 11
            && wsproto_extension_enabled(offered) && wsproto_extension_enabled(supported), "negotiated, at both ends");

  wsproto_endpoint *ends[] = {wsproto_negotiation_connection(client), wsproto_negotiation_connection(server)};
  // The connections live on.
  wsproto_negotiation_free(client);
  wsproto_negotiation_free(server);
  wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("compressed compressed"), .message_finished = true};
  wsproto_bytes output;
  check(wsproto_endpoint_send(ends[0], &message, &output, NULL) && (output.data[0] & 0x40), "RSV1 is set");
  check(wsproto_endpoint_receive(ends[1], output.data, output.count, NULL), "receive");
  event = wsproto_endpoint_next_event(ends[1]);
  check(event && is(event->data, "compressed compressed"), "a message");
  check(wsproto_endpoint_receive_end_of_stream(ends[1], NULL), "the stream was reset");
  event = wsproto_endpoint_next_event(ends[1]);
  check(event && event->kind == WSPROTO_CLOSE_CONNECTION && event->code == 1006, "a connection that is lost");
  for (int index = 0; index < 2; index++) wsproto_endpoint_free(ends[index]);
  wsproto_extension_free(offered);
  wsproto_extension_free(supported);
}

static void refused(void) {
  wsproto_bytes chat = text("chat");
  wsproto_event asked = request(NULL, &chat);
  wsproto_error *error = NULL;
  check(!wsproto_client_negotiation_new(&asked, true, false, NULL, &error)
            && wsproto_error_kind(error) == WSPROTO_ERROR_LOCAL, "no request without the setting (RFC 8441 section 4)");
  wsproto_error_free(error);
  asked.kind = WSPROTO_PING;
  check(!wsproto_client_negotiation_new(&asked, true, true, NULL, NULL), "a ping is no request");
  asked.kind = WSPROTO_REQUEST;
  wsproto_negotiation *client = wsproto_client_negotiation_new(&asked, false, true, NULL, NULL);
  check(has(wsproto_negotiation_request_head(client), 1, ":scheme", "http"), "a scheme for ws");

  static const struct { const char *name, *value, *status; } wrong[] = {
      {"sec-websocket-version", "8", "400"}, {":protocol", "webtransport", "501"}, {":method", "GET", "405"},
      {":path", "chat", "400"}, {":authority", "a b", "400"}};
  Wire wire;
  wsproto_head head;
  for (size_t index = 0; index < sizeof wrong / sizeof *wrong; index++) {
    put(&wire, wsproto_negotiation_request_head(client));
    set(&wire, wrong[index].name, wrong[index].value);
    check(!wsproto_server_negotiation_new(wire.fields, wire.count, true, NULL, &error), wrong[index].name);
    check(wsproto_error_kind(error) == WSPROTO_ERROR_REMOTE && wsproto_error_response(error, &head)
              && has(head, 0, ":status", wrong[index].status), wrong[index].value);
    wsproto_error_free(error);
  }
  put(&wire, wsproto_negotiation_request_head(client));
  check(!wsproto_server_negotiation_new(wire.fields, wire.count, false, NULL, NULL), "a server without the setting");
  wire.fields[wire.count++] = (wsproto_field){text("connection"), text("Upgrade")};
  check(!wsproto_server_negotiation_new(wire.fields, wire.count, true, NULL, NULL), "a field of HTTP/1.1");
  wire.fields[wire.count - 1] = (wsproto_field){text(":path"), text("/")};
  check(!wsproto_server_negotiation_new(wire.fields, wire.count, true, NULL, NULL), "a second :path");
  check(!wsproto_server_negotiation_new(NULL, 7, true, NULL, NULL), "no fields");

  wsproto_negotiation *server = wsproto_server_negotiation_new(wire.fields, wire.count - 1, true, NULL, NULL);
  wsproto_event reject = {.kind = WSPROTO_REJECT_CONNECTION, .code = 403};
  check(wsproto_negotiation_send(server, &reject, &head, NULL) && head.status == 403, "reject");
  put(&wire, head);
  check(!wsproto_negotiation_connection(server), "no connection");
  const wsproto_event *event;
  check(wsproto_negotiation_receive(client, wire.fields, wire.count, &event, NULL) && event
            && event->kind == WSPROTO_REJECT_CONNECTION && event->code == 403, "refused");
  check(!wsproto_negotiation_connection(client), "no connection");
  wsproto_negotiation_free(server);
  wsproto_negotiation_free(client);
}

// An extension whose callbacks use the negotiation.
static wsproto_negotiation *busy;

static void intrude(void) {
  wsproto_event answer = {.kind = WSPROTO_REJECT_CONNECTION, .code = 403};
  wsproto_head head;
  wsproto_error *error = NULL;
  check(!wsproto_negotiation_send(busy, &answer, &head, &error)
            && wsproto_error_violation(error) == WSPROTO_VIOLATION_REENTRANCE, "send inside of a callback");
  wsproto_error_free(error);
  const wsproto_event *event;
  check(!wsproto_negotiation_receive(busy, NULL, 0, &event, NULL), "receive inside of a callback");
  check(!wsproto_negotiation_request(busy), "the request inside of a callback");
}
static bool intruder_accept(void *context, const uint8_t *offer, size_t count, wsproto_output *parameters) {
  ++*(int *)context;
  intrude();
  return true;
}
static bool intruder_enabled(void *context) { return true; }

// fault: C8
static void callbacks_cannot_use_their_negotiation(void) {
  int calls = 0;
  wsproto_extension_callbacks callbacks = {.context = &calls, .enabled = intruder_enabled, .accept = intruder_accept};
  wsproto_extension *extension = wsproto_callback_extension_new(text("intruder"), &callbacks);
  wsproto_field fields[] = {{text(":method"), text("CONNECT")}, {text(":scheme"), text("https")},
                            {text(":authority"), text("example.com")}, {text(":path"), text("/")},
                            {text(":protocol"), text("websocket")}, {text("sec-websocket-version"), text("13")},
                            {text("sec-websocket-extensions"), text("intruder")}};
  busy = wsproto_server_negotiation_new(fields, 7, true, NULL, NULL);
  wsproto_event answer = {.kind = WSPROTO_ACCEPT_CONNECTION, .extensions = &extension, .extension_count = 1};
  wsproto_head head;
  check(wsproto_negotiation_send(busy, &answer, &head, NULL) && head.status == 200 && calls == 1, "the call itself goes on");
  wsproto_negotiation_free(busy);
  wsproto_extension_free(extension);
}

int main(void) {
  accepted();
  refused();
  callbacks_cannot_use_their_negotiation();
  printf("ok, %d checks\n", checks);
  return 0;
}
