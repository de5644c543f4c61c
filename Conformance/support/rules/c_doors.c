// SPDX-License-Identifier: Apache-2.0
// Inputs that violate a rule, through the doors of the C interface. Conformance/rules writes them to standard input, one a
// line, its cells separated by tabs:
//
//   frames  id  role  extensions (-, deflate, hooks)  limits (message, wire, frame, fragments; 0 is the default)  bytes
//   field   id  role  name  value
//
// Each way of an input becomes a line of output: its id, the way, and what the library has made of it, which is the code
// of a close or the message of an error with the status to answer; `-` where it has taken everything.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wsproto.h"

static wsproto_bytes text(const char *string) {
  return (wsproto_bytes){(const uint8_t *)string, strlen(string)};
}

// ------------------------------------------------------------------------------------------------------------- Frames

typedef struct {
  int32_t role;
  wsproto_extension *extensions[2];
  size_t extension_count;
  wsproto_configuration configuration;
  uint8_t bytes[4096];
  size_t count;
} Input;

static bool always(void *context) {
  (void)context;
  return true;
}

// As they are after a negotiation.
static void add_extensions(Input *input, const char *setup) {
  wsproto_bytes answer;
  wsproto_deflate_parameters parameters = {.client_max_window_bits = 15, .server_max_window_bits = 15};
  wsproto_extension_callbacks unchanging = {.enabled = always};
  input->extension_count = 0;
  if (strcmp(setup, "-") == 0) return;
  wsproto_extension *deflate = wsproto_deflate_new(&parameters, NULL);
  if (input->role == WSPROTO_SERVER) {
    wsproto_extension_accept(deflate, text("permessage-deflate"), &answer);
  } else {
    wsproto_extension_finalize(deflate, text("permessage-deflate"), NULL);
  }
  input->extensions[input->extension_count++] = deflate;
  if (strcmp(setup, "hooks") == 0)
    input->extensions[input->extension_count++] = wsproto_callback_extension_new(text("x-unchanging"), &unchanging);
}

static void free_extensions(Input *input) {
  while (input->extension_count) wsproto_extension_free(input->extensions[--input->extension_count]);
}

static int code_of(wsproto_error *error) {
  int code = wsproto_error_code(error);
  wsproto_error_free(error);
  return code;
}

// Each returns the code of the failure, or 0; it gives the bytes in pieces of `step`.
static int by_endpoint(const Input *input, size_t step) {
  wsproto_endpoint *endpoint = wsproto_open_connection_new(
      input->role, input->extensions, input->extension_count, (wsproto_bytes){NULL, 0}, &input->configuration);
  int code = 0;
  for (size_t at = 0; at < input->count; at += step) {
    size_t left = input->count - at;
    wsproto_endpoint_receive(endpoint, input->bytes + at, left < step ? left : step, NULL);
    const wsproto_event *event;
    while ((event = wsproto_endpoint_next_event(endpoint)))
      if (event->kind == WSPROTO_CLOSE_CONNECTION && wsproto_endpoint_failure(endpoint) == event->code)
        code = event->code;
  }
  wsproto_endpoint_free(endpoint);
  return code;
}

static int by_frame_protocol(const Input *input, size_t step) {
  wsproto_frame_protocol *protocol = wsproto_frame_protocol_new(input->role, input->extensions,
                                                                input->extension_count, &input->configuration);
  int code = 0;
  for (size_t at = 0; at < input->count && !code; at += step) {
    size_t left = input->count - at;
    wsproto_frame_protocol_receive(protocol, input->bytes + at, left < step ? left : step);
    const wsproto_frame *frame = NULL;
    wsproto_error *error = NULL;
    do {
      if (!wsproto_frame_protocol_next_frame(protocol, &frame, &error)) code = code_of(error);
    } while (!code && frame);
  }
  wsproto_frame_protocol_free(protocol);
  return code;
}

static int by_decoders(const Input *input, size_t step) {
  wsproto_frame_decoder *frames = wsproto_frame_decoder_new(input->role, input->extensions, input->extension_count,
                                                            &input->configuration);
  wsproto_message_decoder *messages = wsproto_message_decoder_new();
  int code = 0;
  for (size_t at = 0; at < input->count && !code; at += step) {
    size_t left = input->count - at;
    wsproto_frame_decoder_receive(frames, input->bytes + at, left < step ? left : step);
    const wsproto_frame *frame = NULL, *part;
    wsproto_error *error = NULL;
    do {
      if (!wsproto_frame_decoder_next_frame(frames, &frame, &error)) code = code_of(error);
      else if (frame && frame->opcode < 8 && !wsproto_message_decoder_process(messages, frame, &part, &error))
        code = code_of(error);
    } while (!code && frame);
  }
  wsproto_message_decoder_free(messages);
  wsproto_frame_decoder_free(frames);
  return code;
}

static size_t number(void) { return strtoull(strtok(NULL, "\t\n"), NULL, 10); }

static void run_frames(void) {
  Input input;
  const char *id = strtok(NULL, "\t\n");
  input.role = (int32_t)number();
  const char *setup = strtok(NULL, "\t\n");
  size_t message = number(), wire = number(), frame = number(), fragments = number();
  const char *digits = strtok(NULL, "\t\n");
  for (input.count = 0; digits[2 * input.count] && input.count < sizeof input.bytes; input.count++)
    if (sscanf(digits + 2 * input.count, "%2hhx", input.bytes + input.count) != 1) exit(64);
  for (int way = 0; way < 4; way++) {
    bool is_whole = way & 1, in_pieces = way & 2;
    size_t step = in_pieces ? 1 : input.count;
    wsproto_configuration_init(&input.configuration);
    if (message) input.configuration.max_message_bytes = message;
    if (wire) input.configuration.max_message_wire_bytes = wire;
    if (frame) input.configuration.max_frame_payload = frame;
    if (fragments) input.configuration.max_message_fragments = fragments;
    input.configuration.whole_messages = is_whole;
    const char *words = in_pieces ? "byte by byte" : "in one piece";
    add_extensions(&input, setup);
    printf("%s\tendpoint, %s %s\t%d\n", id, is_whole ? "whole" : "chunks", words, by_endpoint(&input, step));
    free_extensions(&input);
    if (is_whole) continue;
    add_extensions(&input, setup);
    printf("%s\tframe protocol, %s\t%d\n", id, words, by_frame_protocol(&input, step));
    free_extensions(&input);
    add_extensions(&input, setup);
    printf("%s\tdecoders, %s\t%d\n", id, words, by_decoders(&input, step));
    free_extensions(&input);
  }
}

// --------------------------------------------------------------------------------------------------------- Handshakes

static const char *const names[] = {"Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"};
static const char *const values[] = {"server.example.com", "websocket", "Upgrade", "dGhlIHNhbXBsZSBub25jZQ==", "13"};
enum { FIELDS = 5, HEAD = 2048 };

// The request that a server gets, with one field in the place of the legal one or at the end; and its fields.
static size_t request(const char *name, const char *value, char *head, wsproto_field *fields) {
  size_t count = 0, size = (size_t)snprintf(head, HEAD, "GET /chat HTTP/1.1\r\n");
  for (int index = 0; index <= FIELDS; index++) {
    bool is_own = index == FIELDS;
    if (!is_own && strcmp(names[index], name) == 0) continue;
    fields[count] = (wsproto_field){text(is_own ? name : names[index]), text(is_own ? value : values[index])};
    size += (size_t)snprintf(head + size, HEAD - size, "%s: %s\r\n", is_own ? name : names[index],
                             is_own ? value : values[index]);
    count++;
  }
  snprintf(head + size, HEAD - size, "\r\n");
  return count;
}

// The answer to a client's request, with a field more.
static void answer(wsproto_endpoint *client, const char *name, const char *value, char *head) {
  wsproto_event event = {.kind = WSPROTO_REQUEST, .host = text("server.example.com"), .target = text("/")};
  wsproto_bytes sent;
  uint8_t token[28];
  if (!wsproto_endpoint_send(client, &event, &sent, NULL)) exit(1);
  const char *mark = "Sec-WebSocket-Key: ";
  size_t at = 0;
  while (at + strlen(mark) + 24 < sent.count && memcmp(sent.data + at, mark, strlen(mark)) != 0) at++;
  wsproto_generate_accept_token((wsproto_bytes){sent.data + at + strlen(mark), 24}, token);
  snprintf(head, HEAD,
           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: %.28s\r\n%s: %s\r\n\r\n",
           (const char *)token, name, value);
}

static void tell(const char *id, const char *way, bool fine, wsproto_error *error) {
  if (fine) {
    printf("%s\t%s\t-\n", id, way);
    return;
  }
  const wsproto_event *hint = wsproto_error_event_hint(error);
  wsproto_bytes message = wsproto_error_message(error);
  printf("%s\t%s\t%d %.*s\n", id, way, hint ? hint->code : 0, (int)message.count, (const char *)message.data);
  wsproto_error_free(error);
}

static void run_field(void) {
  const char *id = strtok(NULL, "\t\n");
  int32_t role = (int32_t)number();
  const char *name = strtok(NULL, "\t\n"), *value = strtok(NULL, "\t\n");
  char head[HEAD];
  wsproto_field fields[FIELDS + 1];
  size_t field_count = request(name, value, head, fields);
  for (int way = 0; way < 6; way++) {
    bool is_handshake = way & 1, in_pieces = way & 2, is_parsed = way & 4;
    if (is_parsed && role == WSPROTO_CLIENT) break;
    wsproto_endpoint *endpoint =
        is_handshake ? wsproto_handshake_new(role, NULL) : wsproto_connection_new(role, NULL);
    if (role == WSPROTO_CLIENT) answer(endpoint, name, value, head);
    wsproto_error *error = NULL;
    bool fine = true;
    if (is_parsed) {
      fine = wsproto_endpoint_initiate_upgrade(endpoint, fields, field_count, text("/chat"), &error);
    } else {
      size_t count = strlen(head), step = in_pieces ? 1 : count;
      for (size_t at = 0; at < count && fine; at += step)
        fine = wsproto_endpoint_receive(endpoint, (const uint8_t *)head + at, step, &error);
    }
    char words[64];
    snprintf(words, sizeof words, "%s, %s", is_handshake ? "handshake" : "connection",
             is_parsed ? "parsed request" : in_pieces ? "byte by byte" : "in one piece");
    tell(id, words, fine, error);
    wsproto_endpoint_free(endpoint);
  }
}

int main(void) {
  static char line[1 << 14];
  while (fgets(line, sizeof line, stdin)) {
    const char *kind = strtok(line, "\t\n");
    if (!kind) continue;
    if (strcmp(kind, "frames") == 0) run_frames();
    else if (strcmp(kind, "field") == 0) run_field();
    else return 64;
  }
  return 0;
}
