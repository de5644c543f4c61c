// SPDX-License-Identifier: Apache-2.0
// What every C and C++ contender shares: options, input files, the checksum, the clock and the report.
// The formats and the rules of measuring are written down in Benchmarks/README.md.
#ifndef WSPROTO_BENCH_H
#define WSPROTO_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct {
  const char *operation;  // decode, encode, deflate, handshake
  const char *input;
  size_t chunk;           // bytes a read; 0: one frame a read, see WSB_LARGEST_FRAME_READ
  double min_seconds;
  uint64_t passes;        // exactly so many after the one that warms up; 0: as many as fill min_seconds
  bool client;            // decode: the stack is the client, so frames are unmasked; encode: it masks
  bool json;
  int opcode;             // of encoded messages
  int level;              // of deflate
} wsb_options;

typedef struct {
  uint64_t messages;
  uint64_t payload_bytes;
  uint64_t output_bytes;
  uint64_t checksum;
} wsb_totals;

typedef struct {
  uint8_t *data;
  size_t size;
} wsb_file;

typedef struct {
  const uint8_t *data;
  size_t size;
} wsb_slice;

static inline void wsb_fail(const char *what) {
  fprintf(stderr, "error: %s\n", what);
  exit(1);
}

static inline wsb_options wsb_parse(int argc, char **argv) {
  wsb_options o = {"", NULL, 65536, 0.5, 0, false, false, 2, 6};
  if (argc > 1) o.operation = argv[1];
  for (int i = 2; i < argc; i++) {
    const char *name = argv[i];
    if (!strcmp(name, "--json")) {
      o.json = true;
      continue;
    }
    if (i + 1 >= argc) wsb_fail("an option lacks its value");
    const char *value = argv[++i];
    if (!strcmp(name, "--input")) o.input = value;
    else if (!strcmp(name, "--chunk")) o.chunk = strcmp(value, "frame") ? strtoull(value, NULL, 10) : 0;
    else if (!strcmp(name, "--min-seconds")) o.min_seconds = atof(value);
    else if (!strcmp(name, "--passes")) o.passes = strtoull(value, NULL, 10);
    else if (!strcmp(name, "--role")) o.client = !strcmp(value, "client");
    else if (!strcmp(name, "--opcode")) o.opcode = !strcmp(value, "text") ? 1 : 2;
    else if (!strcmp(name, "--level")) o.level = atoi(value);
    else wsb_fail("unknown option");
  }
  return o;
}

static inline wsb_file wsb_read(const char *path) {
  wsb_file file = {NULL, 0};
  FILE *f = path ? fopen(path, "rb") : NULL;
  if (!f) wsb_fail("cannot open --input");
  fseek(f, 0, SEEK_END);
  file.size = (size_t)ftell(f);
  fseek(f, 0, SEEK_SET);
  // At the start of a cache line, as in wsproto-bench: large copies are faster from there.
  void *memory = NULL;
  if (posix_memalign(&memory, 64, file.size + 64)) wsb_fail("out of memory");
  file.data = (uint8_t *)memory;
  if ( fread(file.data, 1, file.size, f) != file.size) wsb_fail("cannot read --input");
  fclose(f);
  return file;
}

// A frame's header length and payload length; false where the bytes end before the header does.
static inline bool wsb_header(const uint8_t *p, size_t available, size_t *header, uint64_t *payload) {
  if (available < 2) return false;
  size_t masked = (p[1] & 0x80) ? 4 : 0;
  uint64_t length = p[1] & 0x7F;
  size_t base = 2;
  if (length == 126) base = 4;
  else if (length == 127) base = 10;
  if (available < base + masked) return false;
  if (base > 2) {
    length = 0;
    for (size_t i = 2; i < base; i++) length = length << 8 | p[i];
  }
  *header = base + masked;
  *payload = length;
  return true;
}

// The most bytes of a read that is one frame: no program reads much more at once.
#define WSB_LARGEST_FRAME_READ ((size_t)512 << 10)

// Splits a decode input into reads: of `chunk` bytes, or one frame each.
static inline wsb_slice *wsb_chunks(wsb_file file, size_t chunk, size_t *count) {
  size_t capacity = 1024, n = 0, at = 0, rest = 0;
  wsb_slice *list = (wsb_slice *)malloc(capacity * sizeof *list);
  while (at < file.size) {
    size_t length = chunk;
    if (chunk == 0) {
      size_t header;
      uint64_t payload;
      if (rest == 0) {
        if (!wsb_header(file.data + at, file.size - at, &header, &payload)) wsb_fail("the input ends in a header");
        rest = header + (size_t)payload;
      }
      length = rest < WSB_LARGEST_FRAME_READ ? rest : WSB_LARGEST_FRAME_READ;
      rest -= length;
    }
    if (length > file.size - at) length = file.size - at;
    if (n == capacity) list = (wsb_slice *)realloc(list, (capacity *= 2) * sizeof *list);
    list[n].data = file.data + at;
    list[n++].size = length;
    at += length;
  }
  *count = n;
  return list;
}

// The messages of an encode or deflate input.
static inline wsb_slice *wsb_messages(wsb_file file, size_t *count) {
  size_t capacity = 1024, n = 0, at = 0;
  wsb_slice *list = (wsb_slice *)malloc(capacity * sizeof *list);
  while (file.size - at >= 4) {
    const uint8_t *p = file.data + at;
    size_t length = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    if (length > file.size - at - 4) wsb_fail("a message is longer than the input");
    if (n == capacity) list = (wsb_slice *)realloc(list, (capacity *= 2) * sizeof *list);
    list[n].data = p + 4;
    list[n++].size = length;
    at += 4 + length;
  }
  *count = n;
  return list;
}

// The checksum of a delivered message: length * 31 + first byte + last byte + opcode, summed mod 2^64.
static inline void wsb_message(wsb_totals *t, const void *payload, size_t length, unsigned opcode) {
  const uint8_t *p = (const uint8_t *)payload;
  t->messages++;
  t->payload_bytes += length;
  t->checksum += (uint64_t)length * 31 + opcode + (length ? (unsigned)p[0] + p[length - 1] : 0);
}

// The same for a message that comes in frames, each one's payload given by its ends.
typedef struct {
  uint64_t length;
  unsigned first, last, opcode;
} wsb_fragments;

static inline void wsb_fragment(wsb_fragments *m, wsb_totals *t, uint8_t head, uint64_t length, uint8_t first,
                                uint8_t last) {
  if (head & 15) {
    m->opcode = head & 15;
    m->length = 0;
    m->first = m->last = 0;
  }
  if (length) {
    if (m->length == 0) m->first = first;
    m->last = last;
  }
  m->length += length;
  if (head & 0x80) {
    t->messages++;
    t->payload_bytes += m->length;
    t->checksum += m->length * 31 + m->opcode + m->first + m->last;
  }
}

// The checksum of an encoded frame: its length * 31 + its first two bytes + the last payload byte, unmasked.
static inline void wsb_frame(wsb_totals *t, const void *frame, size_t length, size_t payload) {
  const uint8_t *p = (const uint8_t *)frame;
  unsigned last = 0;
  if (payload) {
    last = p[length - 1];
    if (p[1] & 0x80) last ^= p[length - payload - 4 + ((payload - 1) & 3)];
  }
  t->messages++;
  t->payload_bytes += payload;
  t->output_bytes += length;
  t->checksum += (uint64_t)length * 31 + p[0] + p[1] + last;
}

static inline double wsb_cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef void (*wsb_pass)(void *context, wsb_totals *totals);

// One pass to warm up, then --passes, or passes until min_seconds of process CPU time are spent; every pass must agree.
static inline void wsb_measure(const char *peer, const char *version, const char *operation, const char *api,
                               const wsb_options *o, wsb_pass pass, void *context) {
  wsb_totals first = {0, 0, 0, 0};
  pass(context, &first);
  if (first.messages == 0) wsb_fail("no message came out");
  uint64_t passes = 0;
  double start = wsb_cpu_seconds(), elapsed;
  do {
    wsb_totals totals = {0, 0, 0, 0};
    pass(context, &totals);
    if (totals.checksum != first.checksum || totals.messages != first.messages) wsb_fail("two passes differ");
    passes++;
    elapsed = wsb_cpu_seconds() - start;
  } while (o->passes ? passes < o->passes : elapsed < o->min_seconds);
  double ns = elapsed * 1e9 / ((double)passes * (double)first.messages);
  double gb = (double)first.payload_bytes * (double)passes / elapsed / 1e9;
  if (o->json) {
    printf("{\"peer\":\"%s\",\"version\":\"%s\",\"operation\":\"%s\",\"role\":\"%s\",\"api\":\"%s\","
           "\"chunk\":%zu,\"messages\":%llu,\"payload_bytes\":%llu,\"output_bytes\":%llu,\"passes\":%llu,"
           "\"cpu_seconds\":%.6f,\"ns_per_message\":%.3f,\"gb_per_s\":%.4f,\"checksum\":\"%llu\"}\n",
           peer, version, operation, o->client ? "client" : "server", api, o->chunk,
           (unsigned long long)first.messages, (unsigned long long)first.payload_bytes,
           (unsigned long long)first.output_bytes, (unsigned long long)passes, elapsed, ns, gb,
           (unsigned long long)first.checksum);
  } else {
    printf("%s %s (%s, %s): %.1f ns a message, %.3f GB/s, %llu messages, checksum %llu\n", peer, operation,
           o->client ? "client" : "server", api, ns, gb, (unsigned long long)first.messages,
           (unsigned long long)first.checksum);
  }
  fflush(stdout);
}

// A contender that lacks an operation says so and leaves with 3.
static inline int wsb_unsupported(const char *peer, const wsb_options *o) {
  fprintf(stderr, "%s has no %s\n", peer, o->operation);
  return 3;
}

// An opening handshake as Chrome sends it, for the handshake operation.
static const char wsb_chrome_request[] =
    "GET /chat?room=7 HTTP/1.1\r\n"
    "Host: server.example.com:8080\r\n"
    "Connection: Upgrade\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36\r\n"
    "Upgrade: websocket\r\n"
    "Origin: http://server.example.com:8080\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "\r\n";

// The Sec-WebSocket-Accept value that belongs to it.
static const char wsb_chrome_accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

#endif
