// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"
#include "check.h"

#include <string.h>

// MARK: The plain version (RFC 8439 section 2.3)

static uint32_t left(uint32_t value, int bits) { return value << bits | value >> (32 - bits); }

static void quarter(uint32_t *x, int a, int b, int c, int d) {
  x[a] += x[b], x[d] = left(x[d] ^ x[a], 16);
  x[c] += x[d], x[b] = left(x[b] ^ x[c], 12);
  x[a] += x[b], x[d] = left(x[d] ^ x[a], 8);
  x[c] += x[d], x[b] = left(x[b] ^ x[c], 7);
}

static void block(const uint8_t key[32], uint32_t counter, uint8_t output[64]) {
  uint32_t start[16] = {0x61707865, 0x3320646E, 0x79622D32, 0x6B206574}, x[16];
  for (int i = 0; i < 32; i++) start[4 + i / 4] |= (uint32_t)key[i] << (8 * (i % 4));
  start[12] = counter;
  memcpy(x, start, sizeof x);
  for (int i = 0; i < 10; i++) {
    for (int column = 0; column < 4; column++) quarter(x, column, 4 + column, 8 + column, 12 + column);
    for (int row = 0; row < 4; row++) quarter(x, row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4);
  }
  for (int i = 0; i < 64; i++) output[i] = (uint8_t)((x[i / 4] + start[i / 4]) >> (8 * (i % 4)));
}

enum { KEY = 32, OUTPUT = 512, BLOCKS = 8 };

/// The eight blocks, word by word in turn.
static void plain(const uint8_t key[KEY], uint8_t output[OUTPUT]) {
  for (uint32_t counter = 0; counter < BLOCKS; counter++) {
    uint8_t one[64];
    block(key, counter, one);
    for (size_t word = 0; word < 16; word++) memcpy(output + 4 * (BLOCKS * word + counter), one + 4 * word, 4);
  }
}

// MARK: The comparison

enum { BEST = -1, LEVELS = 2 };

static int run(int level, const uint8_t *key, uint8_t *output, const uint8_t *expected) {
  now_checking("cwsproto_chacha20", level, OUTPUT, output);
  if (level == BEST) cwsproto_chacha20(key, output);
  else if (cwsproto_chacha20_at_level(level, key, output) < 0) return 0;
  if (memcmp(output, expected, OUTPUT) != 0) fail("another keystream");
  agreed(level);
  return 1;
}

static void every_version(const uint8_t *key, size_t alignment) {
  uint8_t expected[OUTPUT];
  plain(key, expected);
  for (int level = BEST; level < LEVELS; level++) {
    place from = aligned(1, random_below(ALIGNMENTS), KEY);
    memcpy(from.bytes, key, KEY);
    place output = aligned(0, alignment, OUTPUT);
    if (!run(level, from.bytes, output.bytes, expected)) break;
    intact(0);
    intact(1);
    if (memcmp(from.bytes, key, KEY) != 0) fail("the key was changed");
    // The key inside the output.
    size_t position = random_below(OUTPUT - KEY + 1);
    for (int behind = 0; behind < 2; behind++) {
      place at = behind ? behind_guard(OUTPUT) : before_guard(OUTPUT);
      memcpy(at.bytes + position, key, KEY);
      run(level, at.bytes + position, at.bytes, expected);
    }
    // And alone at the guards.
    for (int behind = 0; behind < 2; behind++) {
      place at = behind ? behind_guard(KEY) : before_guard(KEY);
      memcpy(at.bytes, key, KEY);
      run(level, at.bytes, aligned(0, alignment, OUTPUT).bytes, expected);
    }
  }
}

void check_chacha20(void) {
  uint8_t key[KEY] = {0}, first[64];
  // RFC 8439 appendix A.1, test vector 1.
  static const uint8_t vector[16] = {0x76, 0xB8, 0xE0, 0xAD, 0xA0, 0xF1, 0x3D, 0x90,
                                     0x40, 0x5D, 0x6A, 0xE5, 0x53, 0x86, 0xBD, 0x28};
  block(key, 0, first);
  if (memcmp(first, vector, sizeof vector) != 0) fail("the plain version is wrong");
  for (size_t round = 0; round < 40; round++) {
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
      every_version(key, alignment);
      // All ones once, then random keys.
      if (round == 0 && alignment == 0) memset(key, 0xFF, KEY);
      else random_fill(key, KEY);
    }
  }
  report("ChaCha20", "RFC 8439");
}
