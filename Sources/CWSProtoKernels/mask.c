// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

#include <string.h>

// All versions work the same way: load the first and the last vector, process the middle at aligned destinations,
// then store the first and the last. Those two overlap the middle. They were loaded before anything was stored, so
// they are right even if source and destination are the same. That makes a tail loop unnecessary.
//
// Each version is written once and compiled twice: with `ascii` it also collects the high bits of what it writes.

#define INLINED static inline __attribute__((always_inline))

/// The key for a position `offset` bytes later.
INLINED uint32_t turned(uint32_t key, size_t offset) {
  unsigned bits = (unsigned)(offset & 3) * 8;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return (key << bits) | (key >> ((32 - bits) & 31));
#else
  return (key >> bits) | (key << ((32 - bits) & 31));
#endif
}

typedef int mask_function(void *, const void *, size_t, uint32_t);

#if defined(__x86_64__) && !defined(_WIN32)

#include <immintrin.h>
#include <stdatomic.h>

#define AVX2 __attribute__((target("avx2")))

AVX2 INLINED int by_avx2(void *destination, const void *source, size_t count, uint32_t key, int ascii) {
  char *to = destination;
  const char *from = source;
#define LOAD(at, with) _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(from + (at))), with)
#define STORE(at, value) _mm256_store_si256((__m256i *)(to + (at)), value)
#define COLLECT(value) if (ascii) all = _mm256_or_si256(all, value)
  __m256i head = LOAD(0, _mm256_set1_epi32((int)key));
  __m256i tail = LOAD(count - 32, _mm256_set1_epi32((int)turned(key, count)));
  __m256i all = _mm256_or_si256(head, tail);
  size_t i = 32 - ((uintptr_t)to & 31);
  const __m256i middle = _mm256_set1_epi32((int)turned(key, i));
  for (; i + 128 <= count; i += 128) {
    __m256i a = LOAD(i, middle), b = LOAD(i + 32, middle), c = LOAD(i + 64, middle), d = LOAD(i + 96, middle);
    STORE(i, a);
    STORE(i + 32, b);
    STORE(i + 64, c);
    STORE(i + 96, d);
    COLLECT(_mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d)));
  }
  for (; i + 32 <= count; i += 32) {
    __m256i a = LOAD(i, middle);
    STORE(i, a);
    COLLECT(a);
  }
  _mm256_storeu_si256((__m256i *)to, head);
  _mm256_storeu_si256((__m256i *)(to + count - 32), tail);
  return _mm256_movemask_epi8(all) == 0;
#undef LOAD
#undef STORE
#undef COLLECT
}

AVX2 static int mask_avx2(void *to, const void *from, size_t count, uint32_t key) {
  return by_avx2(to, from, count, key, 0);
}

AVX2 static int ascii_avx2(void *to, const void *from, size_t count, uint32_t key) {
  return by_avx2(to, from, count, key, 1);
}

INLINED int by_sse2(void *destination, const void *source, size_t count, uint32_t key, int ascii) {
  char *to = destination;
  const char *from = source;
#define LOAD(at, with) _mm_xor_si128(_mm_loadu_si128((const __m128i *)(from + (at))), with)
#define STORE(at, value) _mm_store_si128((__m128i *)(to + (at)), value)
#define COLLECT(value) if (ascii) all = _mm_or_si128(all, value)
  __m128i head = LOAD(0, _mm_set1_epi32((int)key));
  __m128i tail = LOAD(count - 16, _mm_set1_epi32((int)turned(key, count)));
  __m128i all = _mm_or_si128(head, tail);
  size_t i = 16 - ((uintptr_t)to & 15);
  const __m128i middle = _mm_set1_epi32((int)turned(key, i));
  for (; i + 64 <= count; i += 64) {
    __m128i a = LOAD(i, middle), b = LOAD(i + 16, middle), c = LOAD(i + 32, middle), d = LOAD(i + 48, middle);
    STORE(i, a);
    STORE(i + 16, b);
    STORE(i + 32, c);
    STORE(i + 48, d);
    COLLECT(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)));
  }
  for (; i + 16 <= count; i += 16) {
    __m128i a = LOAD(i, middle);
    STORE(i, a);
    COLLECT(a);
  }
  _mm_storeu_si128((__m128i *)to, head);
  _mm_storeu_si128((__m128i *)(to + count - 16), tail);
  return _mm_movemask_epi8(all) == 0;
#undef LOAD
#undef STORE
#undef COLLECT
}

static int mask_sse2(void *to, const void *from, size_t count, uint32_t key) {
  return by_sse2(to, from, count, key, 0);
}

static int ascii_sse2(void *to, const void *from, size_t count, uint32_t key) {
  return by_sse2(to, from, count, key, 1);
}

/// The version for a level; null if the processor doesn't support it.
static mask_function *at_level(int level, int ascii) {
  __builtin_cpu_init();
  switch (level) {
  case 0: return ascii ? ascii_sse2 : mask_sse2;
  case 1: return __builtin_cpu_supports("avx2") ? ascii ? ascii_avx2 : mask_avx2 : 0;
  default: return 0;
  }
}

static mask_function choose_mask, choose_ascii;

// Initially the choosers. Racing threads store the same pointer, so relaxed order is enough.
static _Atomic(mask_function *) chosen_mask = choose_mask, chosen_ascii = choose_ascii;

static int choose(_Atomic(mask_function *) *chosen, int ascii, void *to, const void *from, size_t count,
                  uint32_t key) {
  mask_function *best = at_level(1, ascii);
  if (!best) best = at_level(0, ascii);
  atomic_store_explicit(chosen, best, memory_order_relaxed);
  return best(to, from, count, key);
}

static int choose_mask(void *to, const void *from, size_t count, uint32_t key) {
  return choose(&chosen_mask, 0, to, from, count, key);
}

static int choose_ascii(void *to, const void *from, size_t count, uint32_t key) {
  return choose(&chosen_ascii, 1, to, from, count, key);
}

void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key) {
  atomic_load_explicit(&chosen_mask, memory_order_relaxed)(destination, source, count, key);
}

int cwsproto_mask_is_ascii(void *destination, const void *source, size_t count, uint32_t key) {
  return atomic_load_explicit(&chosen_ascii, memory_order_relaxed)(destination, source, count, key);
}

#else

INLINED int by_words(void *destination, const void *source, size_t count, uint32_t key) {
  char *to = destination;
  const char *from = source;
  uint64_t middle = (uint64_t)key << 32 | key, last = turned(key, count), tail;
  last |= last << 32;
  memcpy(&tail, from + count - 8, 8);
  tail ^= last;
  uint64_t all = tail;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    uint64_t words[4];
    memcpy(words, from + i, 32);
    for (int w = 0; w < 4; w++) all |= words[w] ^= middle;
    memcpy(to + i, words, 32);
  }
  for (; i + 8 <= count; i += 8) {
    uint64_t word;
    memcpy(&word, from + i, 8);
    all |= word ^= middle;
    memcpy(to + i, &word, 8);
  }
  memcpy(to + count - 8, &tail, 8);
  return (all & 0x8080808080808080) == 0;
}

void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key) {
  by_words(destination, source, count, key);
}

int cwsproto_mask_is_ascii(void *destination, const void *source, size_t count, uint32_t key) {
  return by_words(destination, source, count, key);
}

static mask_function *at_level(int level, int ascii) {
  (void)ascii;
  return level == 0 ? cwsproto_mask_is_ascii : 0;
}

#endif

int cwsproto_mask_at_level(int level, void *destination, const void *source, size_t count, uint32_t key) {
  mask_function *function = at_level(level, 0);
  if (!function) return -1;
  function(destination, source, count, key);
  return 0;
}

int cwsproto_mask_is_ascii_at_level(int level, void *destination, const void *source, size_t count, uint32_t key) {
  mask_function *function = at_level(level, 1);
  return function ? function(destination, source, count, key) : -1;
}
