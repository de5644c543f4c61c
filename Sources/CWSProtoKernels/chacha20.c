// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

#include <string.h>

// ChaCha20 (RFC 8439 section 2.3), one block per lane. Uses the compiler's generic vectors, so that the same source
// works for every processor; where AVX2 may exist, it is compiled a second time for it.

enum { LANES = 8 };
typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));

#define INLINED static inline __attribute__((always_inline))

#define SAME(value) ((lanes){0} + (value))

#define TURN(value, bits) ((value) << (bits) | (value) >> (32 - (bits)))
// RFC 8439 section 2.1.
#define QUARTER(a, b, c, d)                                                                                  \
  a += b, d ^= a, d = TURN(d, 16), c += d, b ^= c, b = TURN(b, 12);                                          \
  a += b, d ^= a, d = TURN(d, 8), c += d, b ^= c, b = TURN(b, 7)

INLINED void keystream(const uint8_t *key, uint8_t *output) {
  // "expand 32-byte k", the key, the counter, and a nonce of zeros.
  uint32_t start[16] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574};
  for (int i = 0; i < 8; i++) {
    const uint8_t *word = key + 4 * i;
    start[4 + i] = word[0] | (uint32_t)word[1] << 8 | (uint32_t)word[2] << 16 | (uint32_t)word[3] << 24;
  }
  const lanes counters = {0, 1, 2, 3, 4, 5, 6, 7};
  lanes x[16];
  for (int i = 0; i < 16; i++) x[i] = SAME(start[i]);
  x[12] = counters;
  for (int i = 0; i < 10; i++) {
    QUARTER(x[0], x[4], x[8], x[12]);
    QUARTER(x[1], x[5], x[9], x[13]);
    QUARTER(x[2], x[6], x[10], x[14]);
    QUARTER(x[3], x[7], x[11], x[15]);
    QUARTER(x[0], x[5], x[10], x[15]);
    QUARTER(x[1], x[6], x[11], x[12]);
    QUARTER(x[2], x[7], x[8], x[13]);
    QUARTER(x[3], x[4], x[9], x[14]);
  }
  for (int i = 0; i < 16; i++) {
    lanes sum = x[i] + (i == 12 ? counters : SAME(start[i]));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (int lane = 0; lane < LANES; lane++) sum[lane] = __builtin_bswap32(sum[lane]);
#endif
    memcpy(output + sizeof sum * i, &sum, sizeof sum);
  }
}

static void keystream_anywhere(const uint8_t *key, uint8_t *output) { keystream(key, output); }

#if defined(__x86_64__) && !defined(_WIN32)

__attribute__((target("avx2"))) static void keystream_avx2(const uint8_t *key, uint8_t *output) {
  keystream(key, output);
}

// Doesn't store a pointer to the best version, as masking does: this runs once in hundreds of frames.
void cwsproto_chacha20(const uint8_t *key, uint8_t *output) {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) keystream_avx2(key, output);
  else keystream_anywhere(key, output);
}

int cwsproto_chacha20_at_level(int level, const uint8_t *key, uint8_t *output) {
  __builtin_cpu_init();
  if (level == 0) keystream_anywhere(key, output);
  else if (level == 1 && __builtin_cpu_supports("avx2")) keystream_avx2(key, output);
  else return -1;
  return 0;
}

#else

void cwsproto_chacha20(const uint8_t *key, uint8_t *output) { keystream_anywhere(key, output); }

int cwsproto_chacha20_at_level(int level, const uint8_t *key, uint8_t *output) {
  if (level != 0) return -1;
  keystream_anywhere(key, output);
  return 0;
}

#endif
