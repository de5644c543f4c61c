// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"
#include "check.h"

#include <string.h>

/// RFC 6455 section 5.3, word by word. Returns whether all that comes out is ASCII.
static int plain(uint8_t *to, const uint8_t *from, size_t count, const uint8_t key[4]) {
  uint8_t all = 0;
  for (size_t i = 0; i < count; i++) all |= to[i] = from[i] ^ key[i % 4];
  return all < 0x80;
}

/// -1 is the version that this processor gets.
enum { BEST = -1, LEVELS = 2 };

/// Fails if the kernel differs; returns whether this processor has the level.
static int run(int level, int ascii, uint8_t *to, const uint8_t *from, size_t count, uint32_t key,
               const uint8_t *expected, int expected_ascii) {
  now_checking(ascii ? "cwsproto_mask_is_ascii" : "cwsproto_mask", level, count, to);
  int result = 0;
  if (level == BEST) {
    if (ascii) result = cwsproto_mask_is_ascii(to, from, count, key);
    else cwsproto_mask(to, from, count, key);
  } else if (ascii) {
    result = cwsproto_mask_is_ascii_at_level(level, to, from, count, key);
  } else {
    result = cwsproto_mask_at_level(level, to, from, count, key);
  }
  if (result < 0) return 0;
  if (memcmp(to, expected, count) != 0) fail("other bytes than byte by byte");
  if (ascii && result != expected_ascii) fail("ASCII: %d, byte by byte %d", result, expected_ascii);
  agreed(level);
  return 1;
}

/// Every version on these bytes, in place and copied, with source and destination anywhere.
static void every_version(const uint8_t *bytes, size_t count, const uint8_t wire[4], size_t alignment) {
  uint8_t expected[LONGEST];
  int expected_ascii = plain(expected, bytes, count, wire);
  uint32_t key;
  memcpy(&key, wire, 4);
  for (int level = BEST; level < LEVELS; level++) {
    for (int ascii = 0; ascii < 2; ascii++) {
      place to = aligned(0, alignment, count);
      memcpy(to.bytes, bytes, count);
      if (!run(level, ascii, to.bytes, to.bytes, count, key, expected, expected_ascii)) break;
      intact(0);
      place from = aligned(1, random_below(ALIGNMENTS), count);
      memcpy(from.bytes, bytes, count);
      to = aligned(0, alignment, count);
      run(level, ascii, to.bytes, from.bytes, count, key, expected, expected_ascii);
      intact(0);
      intact(1);
      if (memcmp(from.bytes, bytes, count) != 0) fail("the source was changed");
    }
  }
}

static void at_guards(const uint8_t *bytes, size_t count, const uint8_t wire[4]) {
  uint8_t expected[LONGEST];
  int expected_ascii = plain(expected, bytes, count, wire);
  uint32_t key;
  memcpy(&key, wire, 4);
  for (int level = BEST; level < LEVELS; level++) {
    for (int behind = 0; behind < 2; behind++) {
      place at = behind ? behind_guard(count) : before_guard(count);
      memcpy(at.bytes, bytes, count);
      if (!run(level, 1, at.bytes, at.bytes, count, key, expected, expected_ascii)) break;
    }
  }
}

void check_mask(void) {
  uint8_t bytes[LONGEST], wire[4];
  for (size_t count = CWSPROTO_MASK_MINIMUM; count <= LONGEST; count++) {
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
      random_fill(wire, 4);
      random_fill(bytes, count);
      every_version(bytes, count, wire, alignment);
      // ASCII once it is unmasked, and all but one byte of it.
      for (size_t i = 0; i < count; i++) bytes[i] = (bytes[i] & 0x7F) ^ wire[i % 4];
      every_version(bytes, count, wire, alignment);
      bytes[random_below(count)] ^= 0x80;
      every_version(bytes, count, wire, alignment);
    }
    // The one byte that isn't ASCII at every position.
    for (size_t position = 0; position < count; position++) {
      for (size_t i = 0; i < count; i++) bytes[i] = wire[i % 4];
      bytes[position] ^= 0x80;
      at_guards(bytes, count, wire);
    }
  }
  report("masking", "byte by byte");
}
