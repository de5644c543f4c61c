// SPDX-License-Identifier: Apache-2.0
#include "utf8_internal.h"

#if defined(__x86_64__) && !defined(_WIN32)

#include <immintrin.h>
#include <string.h>

#define SSSE3 __attribute__((target("ssse3")))
#define AVX2 __attribute__((target("avx2")))
#define INLINED static inline __attribute__((always_inline))

static const uint8_t first_high[16] = {UTF8_FIRST_HIGH};
static const uint8_t first_low[16] = {UTF8_FIRST_LOW};
static const uint8_t second_high[16] = {UTF8_SECOND_HIGH};

// MARK: 16 bytes at a time

SSSE3 INLINED __m128i load16(const uint8_t *at) { return _mm_loadu_si128((const __m128i *)at); }

/// Non-zero bytes where `now`, preceded by the bytes one, two and three places back, is invalid.
SSSE3 INLINED __m128i faults16(__m128i now, __m128i back1, __m128i back2, __m128i back3) {
  const __m128i low = _mm_set1_epi8(0x0F);
  __m128i pair =
      _mm_and_si128(_mm_shuffle_epi8(load16(first_high), _mm_and_si128(_mm_srli_epi16(back1, 4), low)),
                    _mm_and_si128(_mm_shuffle_epi8(load16(first_low), _mm_and_si128(back1, low)),
                                  _mm_shuffle_epi8(load16(second_high),
                                                   _mm_and_si128(_mm_srli_epi16(now, 4), low))));
  // The high bit is set if a lead of three or four bytes two places back, or of four three places back, requires one.
  __m128i wanted = _mm_or_si128(_mm_subs_epu8(back2, _mm_set1_epi8(0xE0 - 0x80)),
                                _mm_subs_epu8(back3, _mm_set1_epi8(0xF0 - 0x80)));
  return _mm_xor_si128(pair, _mm_and_si128(wanted, _mm_set1_epi8((char)0x80)));
}

SSSE3 INLINED __m128i faults16_after(__m128i now, __m128i before) {
  return faults16(now, _mm_alignr_epi8(now, before, 15), _mm_alignr_epi8(now, before, 14),
                  _mm_alignr_epi8(now, before, 13));
}

SSSE3 INLINED int any16(__m128i faults) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(faults, _mm_setzero_si128())) != 0xFFFF;
}

/// Loads fewer than 16 bytes by two overlapping loads; the rest is zero.
SSSE3 INLINED __m128i load_short(const uint8_t *base, size_t count) {
  uint64_t low = 0, high = 0;
  if (count >= 8) {
    memcpy(&low, base, 8);
    memcpy(&high, base + count - 8, 8);
    // Two shifts, because a shift by 64 bits is undefined.
    high = high >> (8 * (15 - count)) >> 8;
  } else if (count >= 4) {
    uint32_t first, last;
    memcpy(&first, base, 4);
    memcpy(&last, base + count - 4, 4);
    low = first | (uint64_t)last << (8 * (count - 4));
  } else if (count > 0) {
    low = base[0] | (uint64_t)base[count / 2] << (8 * (count / 2)) | (uint64_t)base[count - 1] << (8 * (count - 1));
  }
  return _mm_set_epi64x((long long)high, (long long)low);
}

SSSE3 INLINED size_t check16(const uint8_t *base, size_t count) {
  if (count < 16) {
    return any16(faults16_after(load_short(base, count), _mm_setzero_si128())) ? 0 : count;
  }
  __m128i before = load16(base);
  if (any16(faults16_after(before, _mm_setzero_si128()))) return 0;
  size_t i = 16;
  for (; i + 16 <= count; i += 16) {
    __m128i now = load16(base + i);
    if (any16(faults16_after(now, before))) return i;
    before = now;
  }
  if (i < count) {
    // The last 16 bytes, shifted to begin where the blocks ended, followed by zeros.
    static const uint8_t slide[32] = {
        0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
        0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};
    __m128i now = _mm_shuffle_epi8(load16(base + count - 16), load16(slide + 16 - (count - i)));
    if (any16(faults16_after(now, before))) return i;
  }
  return count;
}

SSSE3 static size_t check_ssse3(const uint8_t *base, size_t count) { return check16(base, count); }

// MARK: 32 bytes at a time

AVX2 INLINED __m256i load32(const uint8_t *at) { return _mm256_loadu_si256((const __m256i *)at); }

AVX2 INLINED __m256i table32(const uint8_t *table) { return _mm256_broadcastsi128_si256(load16(table)); }

AVX2 INLINED __m256i faults32(__m256i now, __m256i back1, __m256i back2, __m256i back3) {
  const __m256i low = _mm256_set1_epi8(0x0F);
  __m256i pair = _mm256_and_si256(
      _mm256_shuffle_epi8(table32(first_high), _mm256_and_si256(_mm256_srli_epi16(back1, 4), low)),
      _mm256_and_si256(
          _mm256_shuffle_epi8(table32(first_low), _mm256_and_si256(back1, low)),
          _mm256_shuffle_epi8(table32(second_high), _mm256_and_si256(_mm256_srli_epi16(now, 4), low))));
  __m256i wanted = _mm256_or_si256(_mm256_subs_epu8(back2, _mm256_set1_epi8(0xE0 - 0x80)),
                                   _mm256_subs_epu8(back3, _mm256_set1_epi8(0xF0 - 0x80)));
  return _mm256_xor_si256(pair, _mm256_and_si256(wanted, _mm256_set1_epi8((char)0x80)));
}

/// For blocks with at least three bytes before them: loading those again is cheaper than moving bytes across the
/// halves of a register.
AVX2 INLINED __m256i faults32_at(const uint8_t *at) {
  return faults32(load32(at), load32(at - 1), load32(at - 2), load32(at - 3));
}

AVX2 INLINED int any32(__m256i faults) { return !_mm256_testz_si256(faults, faults); }

AVX2 static size_t check_avx2(const uint8_t *base, size_t count) {
  // From here on, the last 32 bytes have at least three before them.
  if (count < 35) return check16(base, count);
  __m256i first = load32(base);
  __m256i before = _mm256_permute2x128_si256(first, first, 0x08);
  if (any32(faults32(first, _mm256_alignr_epi8(first, before, 15), _mm256_alignr_epi8(first, before, 14),
                     _mm256_alignr_epi8(first, before, 13))))
    return 0;
  size_t i = 32;
  for (; i + 64 <= count; i += 64) {
    __m256i faults;
    if (_mm256_movemask_epi8(_mm256_or_si256(load32(base + i), load32(base + i + 32))) == 0) {
      uint32_t last;
      memcpy(&last, base + i - 4, 4);
      if ((last & 0x80808080) == 0) continue;
      faults = faults32_at(base + i);
    } else {
      faults = _mm256_or_si256(faults32_at(base + i), faults32_at(base + i + 32));
    }
    if (any32(faults)) return i;
  }
  if (i + 32 <= count) {
    if (any32(faults32_at(base + i))) return i;
    i += 32;
  }
  if (i < count && any32(faults32_at(base + count - 32))) return i;
  return count;
}

// MARK: 64 bytes at a time

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,bmi2")))

AVX512 INLINED __m512i table64(const uint8_t *table) { return _mm512_broadcast_i32x4(load16(table)); }

AVX512 INLINED int any_faults64(__m512i now, __m512i before) {
  const __m512i low = _mm512_set1_epi8(0x0F);
  // Each quarter is replaced by the one before it.
  __m512i earlier = _mm512_alignr_epi64(now, before, 6);
  __m512i back1 = _mm512_alignr_epi8(now, earlier, 15), back2 = _mm512_alignr_epi8(now, earlier, 14);
  __m512i back3 = _mm512_alignr_epi8(now, earlier, 13);
  __m512i pair = _mm512_and_si512(
      _mm512_shuffle_epi8(table64(first_high), _mm512_and_si512(_mm512_srli_epi16(back1, 4), low)),
      _mm512_and_si512(
          _mm512_shuffle_epi8(table64(first_low), _mm512_and_si512(back1, low)),
          _mm512_shuffle_epi8(table64(second_high), _mm512_and_si512(_mm512_srli_epi16(now, 4), low))));
  __m512i wanted = _mm512_or_si512(_mm512_subs_epu8(back2, _mm512_set1_epi8(0xE0 - 0x80)),
                                   _mm512_subs_epu8(back3, _mm512_set1_epi8(0xF0 - 0x80)));
  __m512i faults = _mm512_xor_si512(pair, _mm512_and_si512(wanted, _mm512_set1_epi8((char)0x80)));
  return _mm512_test_epi8_mask(faults, faults) != 0;
}

AVX512 static size_t check_avx512(const uint8_t *base, size_t count) {
  if (count < 192) return check_avx2(base, count);
  __m512i before = _mm512_setzero_si512();
  uint64_t high_before = 0;
  for (size_t i = 0; i < count; i += 64) {
    // Bytes past the end aren't loaded and count as zeros.
    size_t left = count - i;
    __m512i now = left >= 64 ? _mm512_loadu_si512(base + i)
                             : _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, (unsigned)left), base + i);
    uint64_t high = _mm512_movepi8_mask(now);
    // ASCII can only be invalid after a lead byte among the last three.
    if ((high | high_before >> 61) != 0 && any_faults64(now, before)) return i;
    before = now;
    high_before = high;
  }
  return count;
}

utf8_check_function *cwsproto_utf8_at_level(int level) {
  __builtin_cpu_init();
  switch (level) {
  case 0: return __builtin_cpu_supports("ssse3") ? check_ssse3 : 0;
  case 1: return __builtin_cpu_supports("avx2") ? check_avx2 : 0;
  // All processors with VBMI2 run wide vectors at full speed.
  case 2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
                   __builtin_cpu_supports("bmi2")
               ? check_avx512
               : 0;
  default: return 0;
  }
}

#endif
