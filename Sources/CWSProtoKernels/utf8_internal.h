// SPDX-License-Identifier: Apache-2.0
#ifndef CWSPROTO_UTF8_INTERNAL_H
#define CWSPROTO_UTF8_INTERNAL_H

#include "CWSProtoKernels.h"

// The method was published by J. Keiser and D. Lemire ("Validating UTF-8 in less than one instruction per byte",
// 2021). Each byte is checked together with the byte before it. Three tables of 16 entries, indexed by the high and
// low half of the earlier byte and the high half of the later one, hold a bit for each kind of error; there is an
// error if all three have its bit. One bit (PAIR) isn't an error by itself: two continuation bytes in a row are right
// exactly at the third byte of a three-byte character and at the third and fourth of a four-byte one, which the bytes
// two and three places back tell.

enum {
  CUT = 0x01,       // a lead byte, then no continuation byte
  STRAY = 0x02,     // ASCII, then a continuation byte
  LONG3 = 0x04,     // E0, then 80...9F: could be two bytes
  BEYOND = 0x08,    // F4, then 90...BF, or F5...FF, then 90...BF: above U+10FFFF
  SURROGATE = 0x10, // ED, then A0...BF: U+D800...U+DFFF
  LONG2 = 0x20,     // C0 or C1, then a continuation byte: could be one byte
  LONG4 = 0x40,     // F0, then 80...8F: could be three bytes
  BEYOND8 = 0x40,   // F5...FF, then 80...8F; the low half of the lead tells it from LONG4
  PAIR = 0x80,      // two continuation bytes in a row
  ANY = CUT | STRAY | PAIR, // what doesn't depend on the low half of the earlier byte
};

#define UTF8_FIRST_HIGH                                                                                      \
  STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, STRAY, PAIR, PAIR, PAIR, PAIR, CUT | LONG2, CUT,          \
      CUT | LONG3 | SURROGATE, CUT | BEYOND | LONG4

#define UTF8_FIRST_LOW                                                                                       \
  ANY | LONG2 | LONG3 | LONG4, ANY | LONG2, ANY, ANY, ANY | BEYOND, ANY | BEYOND | BEYOND8,                  \
      ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8,        \
      ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8,                                \
      ANY | BEYOND | BEYOND8 | SURROGATE, ANY | BEYOND | BEYOND8, ANY | BEYOND | BEYOND8

#define UTF8_SECOND_HIGH                                                                                     \
  CUT, CUT, CUT, CUT, CUT, CUT, CUT, CUT, STRAY | PAIR | LONG2 | LONG3 | LONG4,                              \
      STRAY | PAIR | LONG2 | LONG3 | BEYOND, STRAY | PAIR | LONG2 | SURROGATE | BEYOND,                      \
      STRAY | PAIR | LONG2 | SURROGATE | BEYOND, CUT, CUT, CUT, CUT

/// How many of the last bytes belong to a character that is unfinished at `count`. An invalid lead byte counts too,
/// because the vector code checks it only together with the byte that follows.
static inline size_t utf8_unfinished(const uint8_t *base, size_t count) {
  if (count >= 1 && base[count - 1] >= 0xC0) return 1;
  if (count >= 2 && base[count - 2] >= 0xE0) return 2;
  if (count >= 3 && base[count - 3] >= 0xF0) return 3;
  return 0;
}

/// Checks `count` bytes, the first of which starts a character. Returns `count`, or the start of the invalid block. A
/// lead byte is checked only with the bytes that follow it within `count`; the caller checks the rest.
typedef size_t utf8_check_function(const uint8_t *base, size_t count);

/// The version with the number `level`, the simplest first; null if this processor doesn't support it.
utf8_check_function *cwsproto_utf8_at_level(int level);
enum { UTF8_LEVELS = 3 };

#endif
