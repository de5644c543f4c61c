// SPDX-License-Identifier: Apache-2.0
// Automatic replies: off by default; one pong a ping, the newest where none was fetched; Closes; rejections.

#include "check.h"

static wsproto_configuration automatic(void) {
  wsproto_configuration configuration;
  wsproto_configuration_init(&configuration);
  check(!configuration.automatic_pongs && !configuration.automatic_closes && !configuration.automatic_rejections, "off");
  configuration.automatic_pongs = configuration.automatic_closes = configuration.automatic_rejections = true;
  return configuration;
}

static wsproto_endpoint *open_server(const wsproto_configuration *configuration) {
  return wsproto_open_connection_new(WSPROTO_SERVER, NULL, 0, (wsproto_bytes){NULL, 0}, configuration);
}

// What waits, which is then sent; the pointer lives until the next call.
static wsproto_bytes replies(wsproto_endpoint *endpoint) {
  size_t bound = wsproto_endpoint_waiting_reply_bytes(endpoint);
  wsproto_bytes output;
  check(wsproto_endpoint_send_replies(endpoint, &output, NULL), "send replies");
  check(output.count <= bound && wsproto_endpoint_waiting_reply_bytes(endpoint) == 0, "nothing waits any more");
  return output;
}

static bool is(wsproto_bytes bytes, const char *expected, size_t count) {
  return bytes.count == count && memcmp(bytes.data, expected, count) == 0;
}

static const uint8_t PING[] = {0x89, 0x81, 0, 0, 0, 0, 'a', 0x89, 0x81, 0, 0, 0, 0, 'b'};
static const uint8_t CLOSE[] = {0x88, 0x85, 0, 0, 0, 0, 0x03, 0xE8, 'b', 'y', 'e'};

static void frames(void) {
  wsproto_configuration configuration = automatic();
  wsproto_endpoint *server = open_server(&configuration);
  check(wsproto_endpoint_receive(server, PING, sizeof PING, NULL), "receive");
  expect(server, WSPROTO_PING, "a ping");
  check(is(replies(server), "\x8A\1a", 3), "its pong");
  expect(server, WSPROTO_PING, "a ping");
  check(is(replies(server), "\x8A\1b", 3), "its pong");
  check(wsproto_endpoint_receive(server, PING, sizeof PING, NULL), "receive");
  while (wsproto_endpoint_next_event(server)) {}
  check(wsproto_endpoint_waiting_reply_bytes(server) == 3, "one of two waits");
  wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("x"), .message_finished = true};
  wsproto_bytes output;
  check(wsproto_endpoint_send(server, &message, &output, NULL), "send");
  check(is(output, "\x8A\1b\x81\1x", 6), "the newest pong goes in front");
  check(wsproto_endpoint_receive(server, CLOSE, sizeof CLOSE, NULL), "receive");
  expect(server, WSPROTO_CLOSE_CONNECTION, "a Close");
  check(wsproto_endpoint_state(server) == WSPROTO_REMOTE_CLOSING, "the state waits for the reply");
  check(is(replies(server), "\x88\5\x03\xE8" "bye", 7), "the same Close");
  check(wsproto_endpoint_state(server) == WSPROTO_CLOSED, "closed");
  check(replies(server).count == 0, "nothing more");
  wsproto_endpoint_free(server);

  server = open_server(NULL);
  check(wsproto_endpoint_receive(server, PING, sizeof PING, NULL), "receive");
  while (wsproto_endpoint_next_event(server)) {}
  check(replies(server).count == 0, "nothing by default");
  wsproto_endpoint_free(server);
}

static void rejection(bool alone) {
  wsproto_configuration configuration = automatic();
  wsproto_endpoint *server = alone ? wsproto_handshake_new(WSPROTO_SERVER, &configuration)
                                   : wsproto_connection_new(WSPROTO_SERVER, &configuration);
  const char *head = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  wsproto_error *error = NULL;
  check(!wsproto_endpoint_receive(server, (const uint8_t *)head, strlen(head), &error), "refused");
  check(wsproto_error_event_hint(error) != NULL, "with a hint");
  wsproto_error_free(error);
  wsproto_bytes sent = replies(server);
  check(sent.count > 12 && memcmp(sent.data, "HTTP/1.1 4", 10) == 0, "a response");
  check(wsproto_endpoint_state(server) == WSPROTO_CLOSED, "closed");
  wsproto_endpoint_free(server);
}

int main(void) {
  frames();
  rejection(false);
  rejection(true);
  printf("ok, %d checks\n", checks);
  return 0;
}
