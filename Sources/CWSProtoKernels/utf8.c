// SPDX-License-Identifier: Apache-2.0
#include "utf8_internal.h"

#include <stdatomic.h>

static size_t check_nothing(const uint8_t *base, size_t count) {
  (void)base;
  (void)count;
  return 0;
}

static utf8_check_function choose_and_check;

// Initially the chooser. Racing threads store the same pointer, so relaxed order is enough.
static _Atomic(utf8_check_function *) chosen = choose_and_check;

static size_t choose_and_check(const uint8_t *base, size_t count) {
  utf8_check_function *best = 0;
  for (int level = UTF8_LEVELS - 1; !best && level >= 0; level--) best = cwsproto_utf8_at_level(level);
  if (!best) best = check_nothing;
  atomic_store_explicit(&chosen, best, memory_order_relaxed);
  return best(base, count);
}

static inline size_t verified(utf8_check_function *check, const uint8_t *base, size_t count) {
  size_t checked = check(base, count - utf8_unfinished(base, count));
  if (checked == count) return count;
  // The checked part may end inside a character: at the start of an invalid block, or if the lead byte of the
  // unfinished last character came too early.
  return checked - utf8_unfinished(base, checked);
}

size_t cwsproto_utf8_verified(const uint8_t *base, size_t count) {
  return verified(atomic_load_explicit(&chosen, memory_order_relaxed), base, count);
}

ptrdiff_t cwsproto_utf8_verified_at_level(int level, const uint8_t *base, size_t count) {
  utf8_check_function *check = cwsproto_utf8_at_level(level);
  return check ? (ptrdiff_t)verified(check, base, count) : -1;
}

#if !(defined(__x86_64__) && !defined(_WIN32)) && !defined(__aarch64__)
utf8_check_function *cwsproto_utf8_at_level(int level) {
  (void)level;
  return 0;
}
#endif
