// SPDX-License-Identifier: Apache-2.0
// The executable's own memcpy and memmove: they count what they copy. The dynamic linker prefers them for the Swift runtime's
// calls too. The library's kernel is counted by the linker's option --wrap, which only Linux has.
#include "CCopyCounter.h"

#include <stddef.h>

static uint64_t copied;

uint64_t wsb_bytes_copied(void) { return copied; }

static void count(const void *to, const void *from, size_t bytes) {
  if (bytes >= 32 && to != from) copied += bytes;
}

// Not to be turned into a call of itself.
__attribute__((no_builtin("memcpy", "memmove"))) void *memmove(void *to, const void *from, size_t bytes) {
  count(to, from, bytes);
  volatile unsigned char *target = to;
  const unsigned char *source = from;
  if ((uintptr_t)to - (uintptr_t)from >= bytes) {
    for (size_t i = 0; i < bytes; i++) target[i] = source[i];
  } else {
    for (size_t i = bytes; i > 0; i--) target[i - 1] = source[i - 1];
  }
  return to;
}

__attribute__((no_builtin("memcpy", "memmove"))) void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  return memmove(to, from, bytes);
}

#if defined(__linux__)
void __real_cwsproto_mask(void *to, const void *from, size_t bytes, uint32_t key);

void __wrap_cwsproto_mask(void *to, const void *from, size_t bytes, uint32_t key) {
  count(to, from, bytes);
  __real_cwsproto_mask(to, from, bytes, key);
}
#endif
