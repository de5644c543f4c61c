// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

#include <string.h>

// Every version works alike: load the first and the last vector, go through the middle at aligned destinations,
// then store first and last. Those two overlap the middle, and as they were loaded before anything was stored they
// hold the right bytes even when source and destination are the same. So there is no tail loop.

/// The key for a position `offset` bytes further on.
static inline uint32_t turned(uint32_t key, size_t offset) {
  unsigned bits = (unsigned)(offset & 3) * 8;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return (key << bits) | (key >> ((32 - bits) & 31));
#else
  return (key >> bits) | (key << ((32 - bits) & 31));
#endif
}

#if defined(__x86_64__) && !defined(_WIN32)

#include <immintrin.h>
#include <stdatomic.h>

__attribute__((target("avx2"))) static void mask_avx2(void *destination, const void *source, size_t count,
                                                      uint32_t key) {
  char *to = destination;
  const char *from = source;
#define LOAD(at) _mm256_loadu_si256((const __m256i *)(from + (at)))
#define STORE(at, value) _mm256_store_si256((__m256i *)(to + (at)), value)
  __m256i head = _mm256_xor_si256(LOAD(0), _mm256_set1_epi32((int)key));
  __m256i tail = _mm256_xor_si256(LOAD(count - 32), _mm256_set1_epi32((int)turned(key, count)));
  size_t i = 32 - ((uintptr_t)to & 31);
  const __m256i middle = _mm256_set1_epi32((int)turned(key, i));
  for (; i + 128 <= count; i += 128) {
    __m256i a = LOAD(i), b = LOAD(i + 32), c = LOAD(i + 64), d = LOAD(i + 96);
    STORE(i, _mm256_xor_si256(a, middle));
    STORE(i + 32, _mm256_xor_si256(b, middle));
    STORE(i + 64, _mm256_xor_si256(c, middle));
    STORE(i + 96, _mm256_xor_si256(d, middle));
  }
  for (; i + 32 <= count; i += 32) STORE(i, _mm256_xor_si256(LOAD(i), middle));
  _mm256_storeu_si256((__m256i *)to, head);
  _mm256_storeu_si256((__m256i *)(to + count - 32), tail);
#undef LOAD
#undef STORE
}

static void mask_sse2(void *destination, const void *source, size_t count, uint32_t key) {
  char *to = destination;
  const char *from = source;
#define LOAD(at) _mm_loadu_si128((const __m128i *)(from + (at)))
#define STORE(at, value) _mm_store_si128((__m128i *)(to + (at)), value)
  __m128i head = _mm_xor_si128(LOAD(0), _mm_set1_epi32((int)key));
  __m128i tail = _mm_xor_si128(LOAD(count - 16), _mm_set1_epi32((int)turned(key, count)));
  size_t i = 16 - ((uintptr_t)to & 15);
  const __m128i middle = _mm_set1_epi32((int)turned(key, i));
  for (; i + 64 <= count; i += 64) {
    __m128i a = LOAD(i), b = LOAD(i + 16), c = LOAD(i + 32), d = LOAD(i + 48);
    STORE(i, _mm_xor_si128(a, middle));
    STORE(i + 16, _mm_xor_si128(b, middle));
    STORE(i + 32, _mm_xor_si128(c, middle));
    STORE(i + 48, _mm_xor_si128(d, middle));
  }
  for (; i + 16 <= count; i += 16) STORE(i, _mm_xor_si128(LOAD(i), middle));
  _mm_storeu_si128((__m128i *)to, head);
  _mm_storeu_si128((__m128i *)(to + count - 16), tail);
#undef LOAD
#undef STORE
}

typedef void mask_function(void *, const void *, size_t, uint32_t);

/// Null where the processor doesn't have the level.
static mask_function *at_level(int level) {
  __builtin_cpu_init();
  switch (level) {
  case 0: return mask_sse2;
  case 1: return __builtin_cpu_supports("avx2") ? mask_avx2 : 0;
  default: return 0;
  }
}

static mask_function choose_and_mask;

// Starts at the chooser. Racing threads store the same pointer, so relaxed order is enough.
static _Atomic(mask_function *) chosen = choose_and_mask;

static void choose_and_mask(void *destination, const void *source, size_t count, uint32_t key) {
  mask_function *best = at_level(1);
  if (!best) best = mask_sse2;
  atomic_store_explicit(&chosen, best, memory_order_relaxed);
  best(destination, source, count, key);
}

void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key) {
  atomic_load_explicit(&chosen, memory_order_relaxed)(destination, source, count, key);
}

int cwsproto_mask_at_level(int level, void *destination, const void *source, size_t count, uint32_t key) {
  mask_function *function = at_level(level);
  if (!function) return -1;
  function(destination, source, count, key);
  return 0;
}

#else

void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key) {
  char *to = destination;
  const char *from = source;
  uint64_t middle = (uint64_t)key << 32 | key, last = turned(key, count), tail;
  last |= last << 32;
  memcpy(&tail, from + count - 8, 8);
  tail ^= last;
  size_t i = 0;
  for (; i + 32 <= count; i += 32) {
    uint64_t words[4];
    memcpy(words, from + i, 32);
    for (int w = 0; w < 4; w++) words[w] ^= middle;
    memcpy(to + i, words, 32);
  }
  for (; i + 8 <= count; i += 8) {
    uint64_t word;
    memcpy(&word, from + i, 8);
    word ^= middle;
    memcpy(to + i, &word, 8);
  }
  memcpy(to + count - 8, &tail, 8);
}

int cwsproto_mask_at_level(int level, void *destination, const void *source, size_t count, uint32_t key) {
  if (level != 0) return -1;
  cwsproto_mask(destination, source, count, key);
  return 0;
}

#endif
