// SPDX-License-Identifier: Apache-2.0
// Floors, not contenders: what the memory system and zlib alone cost.
//   decode  --api feed-only    each chunk copied into a receive buffer, nothing else
//   decode  --api copy         that, and a fresh allocation with an unmasking copy for every frame
//   encode  --api memcpy       each payload copied behind a minimal header (server role)
//   deflate                    zlib with one context: sync flush, context takeover
#include "bench.h"

#include <zlib.h>

typedef struct {
  const wsb_options *options;
  wsb_slice *items;
  size_t count;
  wsb_totals known;
  uint8_t *buffer;
  size_t largest;
} floor_context;

static void feed_only(void *context, wsb_totals *totals) {
  floor_context *c = context;
  uint64_t touched = 0;
  for (size_t i = 0; i < c->count; i++) {
    memcpy(c->buffer, c->items[i].data, c->items[i].size);
    __asm__ volatile("" : : "r"(c->buffer) : "memory");
    touched += c->buffer[0];
  }
  __asm__ volatile("" : : "r"(touched));
  *totals = c->known;
}

typedef struct {
  uint8_t header[14];
  size_t header_filled;
  uint8_t *payload;
  size_t length, filled;
  uint8_t key[4];
  uint8_t head;
} assembly;

static void unmask_copy(uint8_t *to, const uint8_t *from, size_t n, const uint8_t key[4], size_t phase) {
  uint8_t rotated[8];
  for (size_t i = 0; i < 8; i++) rotated[i] = key[(phase + i) & 3];
  uint64_t mask;
  memcpy(&mask, rotated, 8);
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    memcpy(&word, from + i, 8);
    word ^= mask;
    memcpy(to + i, &word, 8);
  }
  for (; i < n; i++) to[i] = from[i] ^ rotated[i & 7];
}

static void copying(void *context, wsb_totals *totals) {
  floor_context *c = context;
  assembly a = {{0}, 0, NULL, 0, 0, {0}, 0};
  wsb_fragments m = {0, 0, 0, 0};
  for (size_t i = 0; i < c->count; i++) {
    size_t size = c->items[i].size, at = 0;
    memcpy(c->buffer, c->items[i].data, size);
    __asm__ volatile("" : : "r"(c->buffer) : "memory");
    while (at < size) {
      if (!a.payload) {
        size_t header = 0;
        uint64_t length = 0;
        const uint8_t *p = c->buffer + at;
        if (a.header_filled || !wsb_header(p, size - at, &header, &length)) {
          a.header[a.header_filled++] = c->buffer[at++];
          if (!wsb_header(a.header, a.header_filled, &header, &length)) continue;
          p = a.header;
        } else {
          at += header;
        }
        a.header_filled = 0;
        memset(a.key, 0, 4);
        if (p[1] & 0x80) memcpy(a.key, p + header - 4, 4);
        a.head = p[0];
        a.length = (size_t)length;
        a.filled = 0;
        a.payload = malloc(a.length + 1);
      }
      size_t take = a.length - a.filled < size - at ? a.length - a.filled : size - at;
      unmask_copy(a.payload + a.filled, c->buffer + at, take, a.key, a.filled);
      a.filled += take;
      at += take;
      if (a.filled == a.length) {
        wsb_fragment(&m, totals, a.head, a.length, a.payload[0], a.payload[a.length ? a.length - 1 : 0]);
        free(a.payload);
        a.payload = NULL;
      }
    }
  }
}

static void encode_copy(void *context, wsb_totals *totals) {
  floor_context *c = context;
  uint8_t first = (uint8_t)(0x80 | c->options->opcode);
  for (size_t i = 0; i < c->count; i++) {
    size_t n = c->items[i].size, header = n < 126 ? 2 : n < 65536 ? 4 : 10;
    uint8_t *p = c->buffer;
    p[0] = first;
    p[1] = (uint8_t)(n < 126 ? n : n < 65536 ? 126 : 127);
    if (header > 2)
      for (size_t k = 0; k < header - 2; k++) p[2 + k] = (uint8_t)((uint64_t)n >> (8 * (header - 3 - k)));
    memcpy(p + header, c->items[i].data, n);
    __asm__ volatile("" : : "r"(p) : "memory");
    wsb_frame(totals, p, header + n, n);
  }
}

typedef struct {
  floor_context base;
  z_stream deflater, inflater;
  uint8_t *packed;
  size_t *packed_sizes;
  size_t packed_total;
} zlib_context;

static void compress_pass(void *context, wsb_totals *totals) {
  zlib_context *z = context;
  deflateReset(&z->deflater);
  size_t at = 0;
  for (size_t i = 0; i < z->base.count; i++) {
    wsb_slice m = z->base.items[i];
    uint8_t *start = z->packed + at;
    size_t room = m.size + m.size / 8 + 64;
    z->deflater.next_in = (Bytef *)m.data;
    z->deflater.avail_in = (uInt)m.size;
    z->deflater.next_out = start;
    z->deflater.avail_out = (uInt)room;
    deflate(&z->deflater, Z_SYNC_FLUSH);
    size_t n = room - z->deflater.avail_out - 4;  // without 00 00 FF FF
    z->packed_sizes[i] = n;
    at += n;
    totals->messages++;
    totals->payload_bytes += m.size;
    totals->output_bytes += n;
    totals->checksum += m.size * 31;
  }
  z->packed_total = at;
}

static void decompress_pass(void *context, wsb_totals *totals) {
  static const uint8_t tail[4] = {0, 0, 0xFF, 0xFF};
  zlib_context *z = context;
  inflateReset(&z->inflater);
  size_t at = 0;
  for (size_t i = 0; i < z->base.count; i++) {
    z->inflater.next_out = z->base.buffer;
    z->inflater.avail_out = (uInt)z->base.largest + 64;
    z->inflater.next_in = z->packed + at;
    z->inflater.avail_in = (uInt)z->packed_sizes[i];
    inflate(&z->inflater, Z_SYNC_FLUSH);
    z->inflater.next_in = (Bytef *)tail;
    z->inflater.avail_in = 4;
    inflate(&z->inflater, Z_SYNC_FLUSH);
    size_t n = z->base.largest + 64 - z->inflater.avail_out;
    if (n != z->base.items[i].size) wsb_fail("zlib did not give the message back");
    at += z->packed_sizes[i];
    wsb_message(totals, z->base.buffer, n, (unsigned)z->base.options->opcode);
  }
  totals->output_bytes = at;
}

int main(int argc, char **argv) {
  const char *api = "copy";
  for (int i = 1; i + 1 < argc; i++) {
    if (!strcmp(argv[i], "--api")) {
      api = argv[i + 1];
      for (int k = i; k + 2 < argc; k++) argv[k] = argv[k + 2];
      argc -= 2;
      break;
    }
  }
  wsb_options o = wsb_parse(argc, argv);
  floor_context c = {&o, NULL, 0, {0, 0, 0, 0}, NULL, 0};
  if (!strcmp(o.operation, "decode")) {
    wsb_file file = wsb_read(o.input);
    c.items = wsb_chunks(file, o.chunk, &c.count);
    for (size_t i = 0; i < c.count; i++)
      if (c.items[i].size > c.largest) c.largest = c.items[i].size;
    c.buffer = aligned_alloc(64, (c.largest + 127) / 64 * 64);
    if (!strcmp(api, "feed-only")) {
      // The figures of the messages come from a walk over the headers that is not timed.
      size_t at = 0;
      wsb_fragments m = {0, 0, 0, 0};
      while (at < file.size) {
        size_t header;
        uint64_t payload;
        if (!wsb_header(file.data + at, file.size - at, &header, &payload)) wsb_fail("the input ends in a header");
        const uint8_t *p = file.data + at + header;
        size_t n = (size_t)payload;
        const uint8_t none[4] = {0, 0, 0, 0};
        const uint8_t *key = file.data[at + 1] & 0x80 ? p - 4 : none;
        uint8_t ends[2] = {0, 0};
        if (n) {
          ends[0] = p[0] ^ key[0];
          ends[1] = p[n - 1] ^ key[(n - 1) & 3];
        }
        wsb_fragment(&m, &c.known, file.data[at], n, ends[0], ends[1]);
        at += header + n;
      }
      wsb_measure("floor", "memcpy", "decode", "feed-only", &o, feed_only, &c);
    } else {
      wsb_measure("floor", "malloc", "decode", "copy", &o, copying, &c);
    }
    return 0;
  }
  if (!strcmp(o.operation, "handshake")) return wsb_unsupported("floor", &o);
  wsb_file file = wsb_read(o.input);
  c.items = wsb_messages(file, &c.count);
  for (size_t i = 0; i < c.count; i++)
    if (c.items[i].size > c.largest) c.largest = c.items[i].size;
  c.buffer = malloc(c.largest + 64);
  if (!strcmp(o.operation, "encode")) {
    if (o.client) return wsb_unsupported("floor (client)", &o);
    wsb_measure("floor", "memcpy", "encode", "memcpy", &o, encode_copy, &c);
  } else if (!strcmp(o.operation, "deflate")) {
    zlib_context z;
    memset(&z, 0, sizeof z);
    z.base = c;
    z.packed = malloc(file.size + file.size / 8 + 64 * (c.count + 1));
    z.packed_sizes = malloc(sizeof(size_t) * (c.count + 1));
    deflateInit2(&z.deflater, o.level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    inflateInit2(&z.inflater, -15);
    wsb_measure("zlib", zlibVersion(), "compress", "stream", &o, compress_pass, &z);
    wsb_measure("zlib", zlibVersion(), "decompress", "stream", &o, decompress_pass, &z);
  } else {
    return wsb_unsupported("floor", &o);
  }
  return 0;
}
