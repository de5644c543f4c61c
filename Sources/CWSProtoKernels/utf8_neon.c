// SPDX-License-Identifier: Apache-2.0
#include "utf8_internal.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <string.h>

static const uint8_t first_high[16] = {UTF8_FIRST_HIGH};
static const uint8_t first_low[16] = {UTF8_FIRST_LOW};
static const uint8_t second_high[16] = {UTF8_SECOND_HIGH};

/// Non-zero bytes where `now`, preceded by the 16 bytes `before`, is invalid.
static inline uint8x16_t faults(uint8x16_t now, uint8x16_t before) {
  uint8x16_t back1 = vextq_u8(before, now, 15);
  uint8x16_t back2 = vextq_u8(before, now, 14);
  uint8x16_t back3 = vextq_u8(before, now, 13);
  uint8x16_t pair = vandq_u8(vqtbl1q_u8(vld1q_u8(first_high), vshrq_n_u8(back1, 4)),
                             vandq_u8(vqtbl1q_u8(vld1q_u8(first_low), vandq_u8(back1, vdupq_n_u8(0x0F))),
                                      vqtbl1q_u8(vld1q_u8(second_high), vshrq_n_u8(now, 4))));
  // The high bit is set if a lead of three or four bytes two places back, or of four three places back, requires one.
  uint8x16_t wanted =
      vorrq_u8(vqsubq_u8(back2, vdupq_n_u8(0xE0 - 0x80)), vqsubq_u8(back3, vdupq_n_u8(0xF0 - 0x80)));
  return veorq_u8(pair, vandq_u8(wanted, vdupq_n_u8(0x80)));
}

static size_t check_neon(const uint8_t *base, size_t count) {
  uint8x16_t before = vdupq_n_u8(0);
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    uint8x16_t a = vld1q_u8(base + i), b = vld1q_u8(base + i + 16);
    uint8x16_t c = vld1q_u8(base + i + 32), d = vld1q_u8(base + i + 48);
    uint8x16_t wrong;
    if (vmaxvq_u8(vorrq_u8(vorrq_u8(a, b), vorrq_u8(c, d))) < 0x80) {
      // The only possible error is a character left unfinished by the previous block, which shows in the first bytes.
      wrong = faults(a, before);
    } else {
      wrong = vorrq_u8(vorrq_u8(faults(a, before), faults(b, a)), vorrq_u8(faults(c, b), faults(d, c)));
    }
    if (vmaxvq_u8(wrong) != 0) return i;
    before = d;
  }
  for (; i < count; i += 16) {
    uint8x16_t now;
    if (count - i >= 16) {
      now = vld1q_u8(base + i);
    } else {
      uint8_t padded[16] = {0};
      memcpy(padded, base + i, count - i);
      now = vld1q_u8(padded);
    }
    if (vmaxvq_u8(faults(now, before)) != 0) return i;
    before = now;
  }
  return count;
}

utf8_check_function *cwsproto_utf8_at_level(int level) { return level == 0 ? check_neon : 0; }

#endif
