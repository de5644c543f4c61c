// SPDX-License-Identifier: Apache-2.0
// What hostile peers send, through the doors of the C interface; Conformance/rules gives them the frames of its table as
// well. The numbers are the rows of Conformance/threats.tsv.

#include "check.h"

typedef struct {
  uint8_t bytes[64];
  size_t count;
} Frame;

// A frame to a receiver of this role, its length told in so many bytes (1, 2 or 8), with `payload` zeros of it.
static Frame frame(int32_t role, uint8_t first, int form, uint64_t length, size_t payload, bool masks) {
  Frame made = {.count = 0};
  uint8_t mask = masks == (role == WSPROTO_SERVER) ? 0x80 : 0;
  made.bytes[made.count++] = first;
  made.bytes[made.count++] = mask | (form == 1 ? (uint8_t)length : form == 2 ? 126 : 127);
  for (int index = form - 1; form > 1 && index >= 0; index--) made.bytes[made.count++] = (uint8_t)(length >> 8 * index);
  if (mask) made.count += 4;
  made.count += payload;
  return made;
}

typedef int (*Door)(int32_t role, const uint8_t *bytes, size_t count, const wsproto_configuration *configuration);

// Each returns the code of the refusal, or 0.
static int by_endpoint(int32_t role, const uint8_t *bytes, size_t count, const wsproto_configuration *configuration) {
  wsproto_endpoint *end = wsproto_open_connection_new(role, NULL, 0, (wsproto_bytes){NULL, 0}, configuration);
  check(wsproto_endpoint_receive(end, bytes, count, NULL), "receive");
  while (wsproto_endpoint_next_event(end)) {}
  int code = wsproto_endpoint_failure(end);
  wsproto_endpoint_free(end);
  return code;
}

static int by_frame_protocol(int32_t role, const uint8_t *bytes, size_t count,
                             const wsproto_configuration *configuration) {
  wsproto_frame_protocol *protocol = wsproto_frame_protocol_new(role, NULL, 0, configuration);
  check(wsproto_frame_protocol_receive(protocol, bytes, count), "receive");
  const wsproto_frame *found = NULL;
  wsproto_error *error = NULL;
  while (wsproto_frame_protocol_next_frame(protocol, &found, &error) && found) {}
  int code = error ? wsproto_error_code(error) : 0;
  wsproto_error_free(error);
  wsproto_frame_protocol_free(protocol);
  return code;
}

static int by_decoder(int32_t role, const uint8_t *bytes, size_t count, const wsproto_configuration *configuration) {
  wsproto_frame_decoder *decoder = wsproto_frame_decoder_new(role, NULL, 0, configuration);
  check(wsproto_frame_decoder_receive(decoder, bytes, count), "receive");
  const wsproto_frame *found = NULL;
  wsproto_error *error = NULL;
  while (wsproto_frame_decoder_next_frame(decoder, &found, &error) && found) {}
  int code = error ? wsproto_error_code(error) : 0;
  wsproto_error_free(error);
  wsproto_frame_decoder_free(decoder);
  return code;
}

static const Door DOORS[] = {by_endpoint, by_frame_protocol, by_decoder};
enum { DOOR_COUNT = sizeof DOORS / sizeof *DOORS };

static void expect_code(Frame frame, int32_t role, const wsproto_configuration *configuration, int code,
                        const char *what) {
  for (int door = 0; door < DOOR_COUNT; door++)
    check(DOORS[door](role, frame.bytes, frame.count, configuration) == code, what);
}

// threat: 3, 4, 5, 7, 14
static void headers(int32_t role) {
  wsproto_configuration open;
  wsproto_configuration_init(&open);
  open.max_frame_payload = open.max_message_bytes = open.max_message_wire_bytes = SIZE_MAX;
  const uint64_t lengths[] = {1ull << 63, UINT64_MAX, UINT64_MAX - 3, 0, 125, 126, 65535};
  for (int index = 0; index < 7; index++)
    expect_code(frame(role, 0x82, 8, lengths[index], 0, true), role, &open, 1002, "a length of 64 bits");
  expect_code(frame(role, 0x82, 2, 125, 0, true), role, &open, 1002, "a length of 16 bits");
  expect_code(frame(role, 0x82, 8, 1ull << 62, 3, true), role, &open, 0, "a huge length reserves nothing");
  expect_code(frame(role, 0x82, 8, 1 << 30, 0, true), role, NULL, 1009, "a frame too long, by its header");
  expect_code(frame(role, 0x83, 1, 100, 0, true), role, NULL, 1002, "an opcode that there isn't");
  expect_code(frame(role, 0x89, 2, 126, 0, true), role, NULL, 1002, "a long ping");
  expect_code(frame(role, 0x09, 1, 10, 0, true), role, NULL, 1002, "a ping in parts");
  for (int bits = 1; bits < 8; bits++)
    expect_code(frame(role, (uint8_t)(0x82 | bits << 4), 1, 10, 0, true), role, NULL, 1002, "reserved bits");
  for (int opcode = 1; opcode <= 10; opcode += opcode == 2 ? 6 : 1)
    expect_code(frame(role, (uint8_t)(0x80 | opcode), 1, 10, 0, false), role, NULL, 1002, "the wrong mask");
}

static uint8_t *repeated(Frame frame, size_t times) {
  uint8_t *bytes = malloc(frame.count * times);
  for (size_t index = 0; index < times; index++) memcpy(bytes + index * frame.count, frame.bytes, frame.count);
  return bytes;
}

// threat: 2
static void fragments(int32_t role) {
  wsproto_configuration few;
  wsproto_configuration_init(&few);
  few.max_message_fragments = 1000;
  Frame more = frame(role, 0x00, 1, 0, 0, true), first = frame(role, 0x02, 1, 0, 0, true);
  uint8_t *bytes = repeated(more, 2000);
  memcpy(bytes, first.bytes, first.count);
  for (int door = 0; door < DOOR_COUNT; door++) {
    check(DOORS[door](role, bytes, 1000 * more.count, &few) == 0, "as many fragments as may be");
    check(DOORS[door](role, bytes, 2000 * more.count, &few) == 1008, "fragments without end");
  }
  free(bytes);
}

// threat: 16
static void pings(int32_t role) {
  enum { READ = 1000, READS = 1000, BOUND = 64 << 10 };
  wsproto_configuration configuration;
  wsproto_configuration_init(&configuration);
  configuration.max_untaken_bytes = BOUND;
  configuration.automatic_pongs = true;
  Frame ping = frame(role, 0x89, 1, 2, 2, true);
  uint8_t *bytes = repeated(ping, READ);
  size_t size = ping.count * READ;

  // Nobody takes an event.
  wsproto_endpoint *end = wsproto_open_connection_new(role, NULL, 0, (wsproto_bytes){NULL, 0}, &configuration);
  size_t taken = 0, events = 0;
  for (int index = 0; index < READS; index++) {
    wsproto_error *error = NULL;
    if (wsproto_endpoint_receive(end, bytes, size, &error)) taken++;
    else check(wsproto_error_violation(error) == WSPROTO_VIOLATION_EVENTS_NOT_TAKEN, "the events were not taken");
    wsproto_error_free(error);
  }
  check(taken == BOUND / size + 1, "what waits has a bound");
  while (wsproto_endpoint_next_event(end)) events++;
  check(events == taken * READ && wsproto_endpoint_state(end) == WSPROTO_OPEN, "nothing was lost");

  // Each event is taken, and nobody sends a reply.
  for (int index = 0; index < READS; index++) {
    check(wsproto_endpoint_receive(end, bytes, size, NULL), "receive");
    while (wsproto_endpoint_next_event(end)) {}
    check(wsproto_endpoint_waiting_reply_bytes(end) == (role == WSPROTO_CLIENT ? 8 : 4), "one pong waits");
  }
  free(bytes);
  wsproto_endpoint_free(end);
}

static int status_of(wsproto_error *error) {
  const wsproto_event *hint = error ? wsproto_error_event_hint(error) : NULL;
  int status = hint ? hint->code : 0;
  wsproto_error_free(error);
  return status;
}

// threat: 9, 10, 12
static void heads(bool alone) {
  const char *lines[] = {"X: a\nY: b\r\n", "X: a\r\n b\r\n", "X : a\r\n", "X: \x01\r\n",
                         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\n"};
  for (int index = 0; index < 8; index++) {
    static char head[40000];
    size_t count = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (index == 6) {
      for (int field = 0; field < 2000; field++) count += (size_t)snprintf(head + count, sizeof head - count, "a:b\r\n");
    } else if (index == 7) {
      count += (size_t)snprintf(head + count, sizeof head - count, "X: ");
      memset(head + count, 'a', 30000);
      count += 30000;
    } else {
      count += (size_t)snprintf(head + count, sizeof head - count, "%s\r\n", lines[index]);
    }
    int expected = index >= 6 ? 431 : 400;
    for (size_t step = 1; step <= count; step += count - 1) {
      wsproto_endpoint *server =
          alone ? wsproto_handshake_new(WSPROTO_SERVER, NULL) : wsproto_connection_new(WSPROTO_SERVER, NULL);
      wsproto_error *error = NULL;
      size_t at = 0;
      while (at < count && wsproto_endpoint_receive(server, (const uint8_t *)head + at, step, &error)) at += step;
      check(error && status_of(error) == expected, "a head that is not legal");
      check(step > 1 || index < 7 || at <= 16 << 10, "refused at the limit");
      wsproto_endpoint_free(server);
    }
  }
  // A second request behind one that is refused.
  const char *request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  wsproto_endpoint *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  for (int index = 0; index < 2; index++)
    check(wsproto_endpoint_receive(server, (const uint8_t *)request, strlen(request), NULL), "receive");
  expect(server, WSPROTO_REQUEST, "a request");
  wsproto_event reject = {.kind = WSPROTO_REJECT_CONNECTION, .code = 403};
  wsproto_bytes output;
  check(wsproto_endpoint_send(server, &reject, &output, NULL), "reject");
  check(!wsproto_endpoint_next_event(server), "the second is dropped");
  check(wsproto_endpoint_receive(server, (const uint8_t *)request, strlen(request), NULL), "receive");
  check(!wsproto_endpoint_next_event(server) && wsproto_endpoint_state(server) == WSPROTO_CLOSED, "so is a third");
  wsproto_endpoint_free(server);
}

// threat: 11
static void injection(void) {
  wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
  const char *bad[] = {"a\r\nb: c", "a\nb", "a\rb"};
  wsproto_bytes output;
  for (int index = 0; index < 3; index++) {
    wsproto_field field = {text("X"), text(bad[index])};
    wsproto_bytes subprotocol = text(bad[index]);
    wsproto_event requests[] = {
        {.kind = WSPROTO_REQUEST, .host = text(bad[index]), .target = text("/")},
        {.kind = WSPROTO_REQUEST, .host = text("h"), .target = text(bad[index])},
        {.kind = WSPROTO_REQUEST, .host = text("h"), .target = text("/"), .fields = &field, .field_count = 1},
        {.kind = WSPROTO_REQUEST, .host = text("h"), .target = text("/"), .subprotocols = &subprotocol,
         .subprotocol_count = 1},
    };
    for (int way = 0; way < 4; way++)
      check(!wsproto_endpoint_send(client, &requests[way], &output, NULL), "a line end in a head");
  }
  check(wsproto_endpoint_state(client) == WSPROTO_CONNECTING, "nothing has changed");
  wsproto_endpoint_free(client);
}

// threat: 1, 20
static void compression(int32_t role) {
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  wsproto_extension *extensions[2] = {wsproto_deflate_new(&parameters, NULL), wsproto_deflate_new(&parameters, NULL)};
  wsproto_bytes answer;
  int32_t peer = WSPROTO_CLIENT + WSPROTO_SERVER - role;
  for (int index = 0; index < 2; index++) {
    if ((index ? peer : role) == WSPROTO_SERVER)
      check(wsproto_extension_accept(extensions[index], text("permessage-deflate"), &answer), "accept");
    else check(wsproto_extension_finalize(extensions[index], text("permessage-deflate"), NULL), "finalize");
  }
  wsproto_configuration small;
  wsproto_configuration_init(&small);
  small.max_message_bytes = 64 << 10;
  wsproto_bytes none = {NULL, 0};
  wsproto_endpoint *end = wsproto_open_connection_new(role, &extensions[0], 1, none, &small);
  wsproto_endpoint *sender = wsproto_open_connection_new(peer, &extensions[1], 1, none, NULL);
  size_t size = 4 << 20;
  uint8_t *zeros = calloc(size, 1);
  wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = {zeros, 1000}, .message_finished = true,
                           .uncompressed = true};
  wsproto_bytes output;
  check(wsproto_endpoint_send(sender, &message, &output, NULL) && output.data[0] == 0x82 && output.count > 1000,
        "sent as it is");
  message.uncompressed = false;
  message.data.count = size;
  check(wsproto_endpoint_send(sender, &message, &output, NULL) && output.data[0] == 0xC2 && output.count < 64 << 10,
        "a bomb");
  check(wsproto_endpoint_receive(end, output.data, output.count, NULL), "receive");
  size_t delivered = 0;
  const wsproto_event *event;
  while ((event = wsproto_endpoint_next_event(end)))
    if (event->kind == WSPROTO_BYTES_MESSAGE) delivered += event->data.count;
  check(wsproto_endpoint_failure(end) == 1009 && delivered <= 64 << 10, "ends at the limit");
  free(zeros);
  wsproto_endpoint_free(end);
  wsproto_endpoint_free(sender);
  for (int index = 0; index < 2; index++) wsproto_extension_free(extensions[index]);
}

int main(void) {
  for (int32_t role = WSPROTO_CLIENT; role <= WSPROTO_SERVER; role++) {
    headers(role);
    fragments(role);
    pings(role);
    compression(role);
  }
  heads(false);
  heads(true);
  injection();
  printf("ok, %d checks\n", checks);
  return 0;
}
