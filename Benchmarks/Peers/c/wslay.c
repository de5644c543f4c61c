// SPDX-License-Identifier: Apache-2.0
// wslay: the event API. It reads into a buffer of its own by a callback and validates text.
#include "bench.h"

#include <wslay/wslay.h>

typedef struct {
  const wsb_options *options;
  wsb_slice *items;
  size_t count;
  wsb_slice unread;       // of the current chunk
  wsb_totals *totals;
  uint8_t *out;           // what the stack sent
  size_t out_size;
  uint64_t random;
  wslay_event_context_ptr context;
} peer;

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user) {
  (void)flags;
  peer *p = user;
  size_t n = p->unread.size < len ? p->unread.size : len;
  if (n == 0) {
    wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  memcpy(buf, p->unread.data, n);
  p->unread.data += n;
  p->unread.size -= n;
  return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user) {
  (void)ctx;
  (void)flags;
  peer *p = user;
  memcpy(p->out + p->out_size, data, len);
  p->out_size += len;
  return (ssize_t)len;
}

static int on_genmask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user) {
  (void)ctx;
  peer *p = user;
  // Not a cryptographic source: the application's choice in wslay, and the cheapest, so in its favour.
  for (size_t i = 0; i < len; i++) {
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    buf[i] = (uint8_t)(p->random >> 56);
  }
  return 0;
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user) {
  (void)ctx;
  peer *p = user;
  wsb_message(p->totals, arg->msg, arg->msg_length, arg->opcode);
}

static const struct wslay_event_callbacks callbacks = {on_recv, on_send, on_genmask, NULL, NULL, NULL, on_message};

static void make(peer *p) {
  int failed = p->options->client ? wslay_event_context_client_init(&p->context, &callbacks, p)
                                  : wslay_event_context_server_init(&p->context, &callbacks, p);
  if (failed) wsb_fail("wslay has no context");
  wslay_event_config_set_max_recv_msg_length(p->context, UINT64_C(1) << 40);
}

static void decode_pass(void *context, wsb_totals *totals) {
  peer *p = context;
  p->totals = totals;
  make(p);
  for (size_t i = 0; i < p->count; i++) {
    p->unread = p->items[i];
    while (p->unread.size)
      if (wslay_event_recv(p->context)) wsb_fail("wslay_event_recv");
  }
  wslay_event_context_free(p->context);
}

static void encode_pass(void *context, wsb_totals *totals) {
  peer *p = context;
  make(p);
  for (size_t i = 0; i < p->count; i++) {
    struct wslay_event_msg message = {(uint8_t)p->options->opcode, p->items[i].data, p->items[i].size};
    p->out_size = 0;
    if (wslay_event_queue_msg(p->context, &message) || wslay_event_send(p->context)) wsb_fail("wslay_event_send");
    wsb_frame(totals, p->out, p->out_size, p->items[i].size);
  }
  wslay_event_context_free(p->context);
}

int main(int argc, char **argv) {
  wsb_options o = wsb_parse(argc, argv);
  peer p;
  memset(&p, 0, sizeof p);
  p.options = &o;
  p.random = 1;
  if (!strcmp(o.operation, "decode")) {
    wsb_file file = wsb_read(o.input);
    p.items = wsb_chunks(file, o.chunk, &p.count);
    wsb_measure("wslay", WSLAY_VERSION, "decode", "event", &o, decode_pass, &p);
  } else if (!strcmp(o.operation, "encode")) {
    wsb_file file = wsb_read(o.input);
    p.items = wsb_messages(file, &p.count);
    size_t largest = 0;
    for (size_t i = 0; i < p.count; i++)
      if (p.items[i].size > largest) largest = p.items[i].size;
    p.out = malloc(largest + 64);
    wsb_measure("wslay", WSLAY_VERSION, "encode", "event", &o, encode_pass, &p);
  } else {
    return wsb_unsupported("wslay", &o);
  }
  return 0;
}
