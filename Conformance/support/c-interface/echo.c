// SPDX-License-Identifier: Apache-2.0
// A client and a server talk through the C interface, in memory: handshake with permessage-deflate and an extension
// made of callbacks, an echo in parts, a ping, an illegal event, an illegal frame, the closing handshake.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsproto.h"

static int checks;

static void check(bool fine, const char *what) {
  checks++;
  if (!fine) {
    printf("FAILED %s\n", what);
    exit(1);
  }
}

static wsproto_bytes text(const char *string) {
  return (wsproto_bytes){(const uint8_t *)string, strlen(string)};
}

static bool is(wsproto_bytes bytes, const char *string) {
  return bytes.count == strlen(string) && memcmp(bytes.data, string, bytes.count) == 0;
}

// Sends from one end and receives at the other, copying, as a transport would.
static void transfer(wsproto_endpoint *from, const wsproto_event *event, wsproto_endpoint *to) {
  wsproto_error *error = NULL;
  wsproto_bytes output;
  check(wsproto_endpoint_send(from, event, &output, &error), "send");
  for (size_t index = 0; index < output.count; index++)
    check(wsproto_endpoint_receive(to, output.data + index, 1, &error), "receive");
}

// An extension that reverses the bytes of data frames and claims RSV2 for them.
typedef struct {
  int frames;
  int released;
} Reverser;

static void reverser_release(void *context) { ((Reverser *)context)->released++; }
static bool reverser_enabled(void *context) { return true; }
static bool reverser_offer(void *context, wsproto_output *parameters) {
  wsproto_output_append(parameters, (const uint8_t *)"level=3", 7);
  return true;
}
static bool reverser_accept(void *context, const uint8_t *offer, size_t count, wsproto_output *parameters) {
  return is((wsproto_bytes){offer, count}, "reverse; level=3");
}
static int32_t reverser_header(void *context, int32_t role, uint8_t opcode, uint8_t *rsv, uint64_t length) {
  *rsv = 2;
  return 0;
}
static void append_reversed(wsproto_output *output, const uint8_t *data, size_t count) {
  while (count) wsproto_output_append(output, data + --count, 1);
}
static int32_t reverser_payload(void *context, int32_t role, const uint8_t *data, size_t count,
                                wsproto_output *output) {
  append_reversed(output, data, count);
  return 0;
}
static int32_t reverser_outbound(void *context, int32_t role, uint8_t opcode, uint8_t *rsv, const uint8_t *data,
                                 size_t count, bool fin, wsproto_output *output) {
  ((Reverser *)context)->frames++;
  *rsv |= 2;
  append_reversed(output, data, count);
  return 0;
}

static wsproto_endpoint *opened(wsproto_extension *offered, wsproto_extension *supported, wsproto_endpoint **server) {
  wsproto_endpoint *client = wsproto_connection_new(WSPROTO_CLIENT, NULL);
  *server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  wsproto_bytes protocols[] = {text("one"), text("two")};
  wsproto_event request = {.kind = WSPROTO_REQUEST, .host = text("example.com"), .target = text("/chat"),
                           .subprotocols = protocols, .subprotocol_count = 2,
                           .extensions = &offered, .extension_count = 1};
  transfer(client, &request, *server);
  const wsproto_event *event = wsproto_endpoint_next_event(*server);
  check(event && event->kind == WSPROTO_REQUEST && is(event->host, "example.com"), "request");
  check(event->subprotocol_count == 2 && is(event->subprotocols[1], "two"), "subprotocols");
  wsproto_field field = {text("Server"), text("C")};
  wsproto_event accept = {.kind = WSPROTO_ACCEPT_CONNECTION, .subprotocol = text("two"), .fields = &field,
                          .field_count = 1, .extensions = &supported, .extension_count = 1};
  transfer(*server, &accept, client);
  event = wsproto_endpoint_next_event(client);
  check(event && event->kind == WSPROTO_ACCEPT_CONNECTION && is(event->subprotocol, "two"), "acceptance");
  check(event->field_count == 1 && is(event->fields[0].value, "C"), "fields");
  check(event->extension_count == 1 && event->extensions[0] == offered, "the extension is the one offered");
  check(wsproto_endpoint_state(client) == WSPROTO_OPEN && wsproto_endpoint_state(*server) == WSPROTO_OPEN, "open");
  return client;
}

// The loop of the header's example.
static void serve(wsproto_endpoint *server, wsproto_endpoint *client) {
  const wsproto_event *event;
  while ((event = wsproto_endpoint_next_event(server))) {
    wsproto_event answer = {0};
    if (event->kind == WSPROTO_TEXT_MESSAGE || event->kind == WSPROTO_BYTES_MESSAGE) {
      answer = *event;
    } else if (event->kind == WSPROTO_PING) {
      answer.kind = WSPROTO_PONG;
      answer.data = event->data;
    } else if (event->kind == WSPROTO_CLOSE_CONNECTION && wsproto_endpoint_state(server) == WSPROTO_REMOTE_CLOSING) {
      answer.kind = WSPROTO_CLOSE_CONNECTION;
      answer.code = event->code;
    } else {
      continue;
    }
    transfer(server, &answer, client);
  }
}

static void talk(wsproto_endpoint *client, wsproto_endpoint *server) {
  wsproto_event message = {.kind = WSPROTO_TEXT_MESSAGE, .data = text("Gr\u00fc\u00dfe"), .message_finished = true};
  transfer(client, &message, server);
  serve(server, client);
  char whole[64] = "";
  const wsproto_event *event;
  while ((event = wsproto_endpoint_next_event(client))) {
    check(event->kind == WSPROTO_TEXT_MESSAGE, "echo");
    strncat(whole, (const char *)event->data.data, event->data.count);
  }
  check(strcmp(whole, "Gr\u00fc\u00dfe") == 0, "the echo is complete");

  wsproto_event ping = {.kind = WSPROTO_PING, .data = text("there?")};
  transfer(client, &ping, server);
  serve(server, client);
  event = wsproto_endpoint_next_event(client);
  check(event && event->kind == WSPROTO_PONG && is(event->data, "there?"), "pong");

  uint8_t large[126] = {0};
  wsproto_event illegal = {.kind = WSPROTO_PING, .data = {large, sizeof large}};
  wsproto_error *error = NULL;
  wsproto_bytes output;
  check(!wsproto_endpoint_send(client, &illegal, &output, &error), "a ping of 126 bytes is refused");
  check(wsproto_error_kind(error) == WSPROTO_ERROR_LOCAL, "kind of error");
  check(wsproto_error_violation(error) == WSPROTO_VIOLATION_CONTROL_PAYLOAD_TOO_LONG, "violation");
  check(wsproto_error_message(error).count > 0, "message");
  wsproto_error_free(error);

  wsproto_event close = {.kind = WSPROTO_CLOSE_CONNECTION, .code = 4001, .data = text("bye")};
  transfer(client, &close, server);
  serve(server, client);
  event = wsproto_endpoint_next_event(client);
  check(event && event->kind == WSPROTO_CLOSE_CONNECTION && event->code == 4001 && event->data.count == 0, "close");
  check(wsproto_endpoint_state(client) == WSPROTO_CLOSED && wsproto_endpoint_state(server) == WSPROTO_CLOSED, "closed");
  check(!wsproto_endpoint_failure(client) && !wsproto_endpoint_failure(server), "a Close is no failure");
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
}

int main(void) {
  wsproto_endpoint *server;
  wsproto_error *error = NULL;

  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 10};
  wsproto_extension *offered = wsproto_deflate_new(&parameters, &error);
  parameters.server_max_window_bits = 15;
  wsproto_extension *supported = wsproto_deflate_new(&parameters, &error);
  wsproto_endpoint *client = opened(offered, supported, &server);
  check(wsproto_extension_enabled(offered) && wsproto_extension_enabled(supported), "negotiated, at both ends");
  check(wsproto_deflate_get_parameters(supported, &parameters) && parameters.server_max_window_bits == 10, "window");
  talk(client, server);
  wsproto_extension_free(offered);
  wsproto_extension_free(supported);
  // fault: D1
  parameters = (wsproto_deflate_parameters){0};
  wsproto_extension *browser = wsproto_deflate_new(&parameters, &error);
  wsproto_bytes offer;
  check(wsproto_extension_offer(browser, &offer) && is(offer, "client_max_window_bits"), "what browsers offer");
  check(wsproto_deflate_get_parameters(browser, &parameters) && parameters.client_max_window_bits == 15, "15 bits");
  wsproto_extension_free(browser);
  parameters = (wsproto_deflate_parameters){.client_max_window_bits = -1};
  browser = wsproto_deflate_new(&parameters, &error);
  check(wsproto_extension_offer(browser, &offer) && offer.count == 0, "an offer without parameters");
  wsproto_extension_free(browser);
  parameters = (wsproto_deflate_parameters){.client_max_window_bits = 16};
  check(!wsproto_deflate_new(&parameters, &error) && error, "16 bits are refused");
  wsproto_error_free(error);
  error = NULL;

  Reverser contexts[2] = {0};
  wsproto_extension *reversers[2];
  for (int index = 0; index < 2; index++) {
    wsproto_extension_callbacks callbacks = {
        .context = &contexts[index], .release = reverser_release, .enabled = reverser_enabled, .offer = reverser_offer,
        .accept = reverser_accept, .frame_inbound_header = reverser_header,
        .frame_inbound_payload_data = reverser_payload, .frame_outbound = reverser_outbound};
    reversers[index] = wsproto_callback_extension_new(text("reverse"), &callbacks);
  }
  // Reversing is done by frame, so what it gives is whole only if the frame comes in one piece.
  client = opened(reversers[0], reversers[1], &server);
  wsproto_bytes output;
  wsproto_event message = {.kind = WSPROTO_BYTES_MESSAGE, .data = text("abc"), .message_finished = true};
  check(wsproto_endpoint_send(client, &message, &output, &error), "send");
  check((output.data[0] & 0x70) == 0x20, "RSV2 is set");
  check(wsproto_endpoint_receive(server, output.data, output.count, &error), "receive");
  const wsproto_event *event = wsproto_endpoint_next_event(server);
  check(event && is(event->data, "abc") && contexts[0].frames == 1, "reversed twice");
  wsproto_endpoint_free(client);
  wsproto_endpoint_free(server);
  wsproto_extension_free(reversers[0]);
  wsproto_extension_free(reversers[1]);
  check(contexts[0].released == 1 && contexts[1].released == 1, "contexts are released once");

  server = wsproto_connection_new(WSPROTO_SERVER, NULL);
  wsproto_bytes broken = text("POST / HTTP/1.1\r\nHost: example.com\r\n\r\n");
  check(!wsproto_endpoint_receive(server, broken.data, broken.count, &error), "POST is refused");
  check(wsproto_error_kind(error) == WSPROTO_ERROR_REMOTE && is(wsproto_error_message(error), "Request method must be GET"),
        "why");
  const wsproto_event *hint = wsproto_error_event_hint(error);
  check(hint && hint->kind == WSPROTO_REJECT_CONNECTION && hint->code == 405, "hint");
  check(wsproto_endpoint_send(server, hint, &output, NULL) && !memcmp(output.data, "HTTP/1.1 405 ", 13), "refusal");
  wsproto_error_free(error);
  wsproto_endpoint_free(server);

  client = wsproto_open_connection_new(WSPROTO_CLIENT, NULL, 0, (wsproto_bytes){(const uint8_t *)"\x83\x00", 2}, NULL);
  event = wsproto_endpoint_next_event(client);
  check(event && event->kind == WSPROTO_CLOSE_CONNECTION && event->code == 1002, "opcode 3 as an event");
  check(wsproto_endpoint_failure(client) == 1002, "a failure");
  wsproto_endpoint_free(client);

  wsproto_frame_decoder *decoder = wsproto_frame_decoder_new(WSPROTO_CLIENT, NULL, 0, NULL);
  const wsproto_frame *frame;
  wsproto_frame_decoder_receive(decoder, (const uint8_t *)"\x82\x02hi\x83", 5);
  check(wsproto_frame_decoder_next_frame(decoder, &frame, NULL) && frame && is(frame->data, "hi"), "frame");
  wsproto_frame_decoder_receive(decoder, (const uint8_t *)"\x00", 1);
  error = NULL;
  check(!wsproto_frame_decoder_next_frame(decoder, &frame, &error) && wsproto_error_code(error) == 1002, "opcode 3");
  wsproto_error_free(error);
  wsproto_frame_decoder_free(decoder);

  uint8_t token[28];
  wsproto_generate_accept_token(text("dGhlIHNhbXBsZSBub25jZQ=="), token);
  check(!memcmp(token, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28), "accept token of RFC 6455 section 1.3");
  printf("ok, %d checks\n", checks);
  return 0;
}
