// SPDX-License-Identifier: Apache-2.0
// What an idle object holds, and sizes that are none.

#if defined(__linux__)
#include <malloc.h>
#endif

#include "check.h"

// What malloc has given out; 0 where it doesn't tell, as with a sanitizer.
static size_t held(void) {
#if defined(__GLIBC__)
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
#else
  return 0;
#endif
}

// What an idle object may hold beyond what it held before.
enum { IDLE = 16 << 10 };

// All checks run twice: storage that objects have given back is kept once for the whole process, up to 3 MiB, and is there
// after the first time.
static bool rehearsal = true;

static void check_held(size_t most, const char *what) { check(rehearsal || held() <= most, what); }

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
  check_held(before + output.count + IDLE, "8 MiB are held once, until the next call");
  check(wsproto_endpoint_receive(server, NULL, 0, NULL), "receive nothing");
  check_held(before + IDLE, "an idle endpoint does not hold 8 MiB");
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send 8 MiB again");
  message.data.count = 5;
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send 5 bytes");
  check_held(before + IDLE, "an endpoint that goes on with small messages does not hold 8 MiB");

  wsproto_event illegal = {.kind = WSPROTO_TEXT_MESSAGE, .data = {large, count}};
  message.message_finished = false;
  check(wsproto_endpoint_send(server, &message, &output, NULL), "a part");
  check(!wsproto_endpoint_send(server, &illegal, &output, NULL), "text inside of bytes");
  check_held(before + IDLE, "a failed send holds nothing");

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
  check_held(before + IDLE + (20 << 10), "an idle endpoint does not hold the event");
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
  check_held(before + IDLE, "an idle frame protocol does not hold 8 MiB");
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

int main(void) {
  for (int turn = 0; turn < 2; turn++) {
    a_large_send_is_not_held(false);
    a_large_send_is_not_held(true);
    a_large_event_is_not_held();
    a_large_frame_is_not_held();
    rehearsal = false;
  }
  sizes();
  printf("ok, %d checks%s\n", checks, held() ? "" : ", none of memory: malloc doesn't tell");
  return 0;
}
