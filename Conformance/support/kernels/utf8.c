// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"
#include "check.h"

#include <string.h>

// MARK: The plain version

/// How many continuation bytes a lead byte wants (-1: it is none), and the range of the first of them (RFC 3629
/// section 4); the others are 80 to BF.
static int wanted_after(uint8_t lead, uint8_t *low, uint8_t *high) {
  *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (lead < 0x80) return 0;
  if (lead >= 0xC2 && lead <= 0xDF) return 1;
  if (lead >= 0xE0 && lead <= 0xEF) return 2;
  if (lead >= 0xF0 && lead <= 0xF4) return 3;
  return -1;
}

typedef struct {
  /// Where the last character ends that is whole and well-formed.
  size_t whole;
  /// The earliest byte that proves the text wrong, or the count.
  size_t fault;
} reading;

static reading plain(const uint8_t *bytes, size_t count) {
  reading read = {0, count};
  while (read.whole < count) {
    uint8_t low, high;
    int wanted = wanted_after(bytes[read.whole], &low, &high);
    if (wanted < 0) {
      read.fault = read.whole;
      return read;
    }
    for (size_t i = read.whole + 1; i <= read.whole + (size_t)wanted; i++) {
      if (i == count) return read;
      if (bytes[i] < low || bytes[i] > high) {
        read.fault = i;
        return read;
      }
      low = 0x80;
      high = 0xBF;
    }
    read.whole += (size_t)wanted + 1;
  }
  return read;
}

// MARK: The comparison

enum { BEST = -1, LEVELS = 3, WINDOW = 132 };

/// Fails if the kernel breaks its contract; returns whether this processor has the level.
static int run(int level, const uint8_t *bytes, size_t count, reading expected) {
  now_checking("cwsproto_utf8_verified", level, count, bytes);
  ptrdiff_t result = level == BEST ? (ptrdiff_t)cwsproto_utf8_verified(bytes, count)
                                   : cwsproto_utf8_verified_at_level(level, bytes, count);
  if (result < 0) return 0;
  size_t verified = (size_t)result;
  if (verified > expected.whole) fail("%zu bytes verified, %zu are right", verified, expected.whole);
  // In well-formed text every byte but a continuation byte starts a character.
  if (verified < expected.whole && (bytes[verified] & 0xC0) == 0x80) fail("stopped inside a character");
  if (expected.fault == count && verified != expected.whole) fail("%zu of %zu verified", verified, expected.whole);
  if (expected.fault - verified >= WINDOW && expected.fault != count)
    fail("stopped at %zu, far before the fault at %zu", verified, expected.fault);
  agreed(level);
  return 1;
}

static void every_version(const uint8_t *bytes, size_t count, size_t alignment) {
  reading expected = plain(bytes, count);
  place at = aligned(0, alignment, count);
  memcpy(at.bytes, bytes, count);
  for (int level = BEST; level < LEVELS; level++)
    if (!run(level, at.bytes, count, expected)) break;
  intact(0);
  if (memcmp(at.bytes, bytes, count) != 0) fail("the bytes were changed");
}

static void at_guards(const uint8_t *bytes, size_t count) {
  reading expected = plain(bytes, count);
  for (int behind = 0; behind < 2; behind++) {
    place at = behind ? behind_guard(count) : before_guard(count);
    memcpy(at.bytes, bytes, count);
    for (int level = BEST; level < LEVELS; level++)
      if (!run(level, at.bytes, count, expected)) break;
  }
}

// MARK: Texts

/// The ends of every range of RFC 3629 and what lies just beyond them.
static const char *const sequences[] = {
    // Well-formed.
    "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEC\xBF\xBF", "\xED\x80\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
    "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF1\x80\x80\x80", "\xF3\xBF\xBF\xBF", "\xF4\x80\x80\x80", "\xF4\x8F\xBF\xBF",
    // Stray continuation bytes, and one too many.
    "\x80", "\xBF", "\xC2\x80\x80", "\xE1\x80\x80\x80", "\xF1\x80\x80\x80\x80",
    // Too long, surrogates, above U+10FFFF, lead bytes that there are none of.
    "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x80\x80\x80",
    "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF4\xBF\xBF\xBF", "\xF5\x80\x80\x80", "\xF7\xBF\xBF\xBF",
    "\xF8\x88\x80\x80\x80", "\xFE", "\xFF",
    // Cut.
    "\xC2", "\xE1", "\xE1\x80", "\xF1", "\xF1\x80", "\xF1\x80\x80", "\xC2\xC2\x80", "\xF1\x80\xC2\x80"};
enum { SEQUENCES = sizeof sequences / sizeof *sequences, WELL_FORMED = 14 };

/// ASCII, or whole characters of all lengths until there is room for none; an unfinished one may end it.
static void fill(uint8_t *bytes, size_t count, int mixed) {
  memset(bytes, 'a', count);
  for (size_t i = 0; mixed && i < count;) {
    const char *sequence = sequences[random_below(WELL_FORMED)];
    size_t length = strlen(sequence), room = count - i < length ? count - i : length;
    memcpy(bytes + i, sequence, room);
    i += room;
  }
}

static void plant(uint8_t *bytes, size_t count, size_t position, const char *sequence) {
  size_t length = strlen(sequence), room = count - position < length ? count - position : length;
  memcpy(bytes + position, sequence, room);
}

static void every_length_and_alignment(void) {
  uint8_t bytes[LONGEST];
  for (size_t count = 0; count <= LONGEST; count++) {
    for (size_t alignment = 0; alignment < ALIGNMENTS; alignment++) {
      fill(bytes, count, 0);
      every_version(bytes, count, alignment);
      fill(bytes, count, 1);
      every_version(bytes, count, alignment);
      at_guards(bytes, count);
      if (count > 0) {
        plant(bytes, count, random_below(count), sequences[random_below(SEQUENCES)]);
        every_version(bytes, count, alignment);
        bytes[random_below(count)] = (uint8_t)random_bits();
        every_version(bytes, count, alignment);
      }
      random_fill(bytes, count);
      every_version(bytes, count, alignment);
    }
  }
}

/// A sequence at every position of every length, in ASCII and in other text.
static void every_position(void) {
  uint8_t bytes[LONGEST];
  size_t turn = 0;
  for (size_t count = 1; count <= LONGEST; count++) {
    for (size_t position = 0; position < count; position++, turn++) {
      fill(bytes, count, turn / SEQUENCES % 2);
      plant(bytes, count, position, sequences[turn % SEQUENCES]);
      if (turn % 2) at_guards(bytes, count);
      else every_version(bytes, count, turn % ALIGNMENTS);
    }
  }
}

/// All sequences of four among the bytes where a range begins or ends, across the borders of blocks.
static void every_four(void) {
  static const uint8_t edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1,
                                  0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFF};
  enum { EDGES = sizeof edges };
  static const size_t counts[] = {7, 21, 40, 70, 200};
  uint8_t bytes[200];
  for (size_t number = 0; number < EDGES * EDGES * EDGES * EDGES; number++) {
    size_t count = counts[number % (sizeof counts / sizeof *counts)];
    size_t position = number / 5 % (count - 3);
    memset(bytes, 'a', count);
    for (size_t i = 0, rest = number; i < 4; i++, rest /= EDGES) bytes[position + i] = edges[rest % EDGES];
    every_version(bytes, count, number % ALIGNMENTS);
  }
}

void check_utf8(void) {
  every_length_and_alignment();
  every_position();
  every_four();
  report("UTF-8", "byte by byte");
}
