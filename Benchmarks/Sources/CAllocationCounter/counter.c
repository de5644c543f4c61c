// SPDX-License-Identifier: Apache-2.0
// The executable's own malloc family: it counts and forwards to glibc's. The dynamic linker prefers it for the Swift
// runtime's calls too. Counters are relaxed and not read-modify-write: exact on one thread, cheap everywhere.
#include "CAllocationCounter.h"

#if defined(__GLIBC__) || defined(__linux__)
#include <features.h>
#endif

#if defined(__GLIBC__)
#include <errno.h>
#include <malloc.h>
#include <stddef.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static uint64_t allocations;
static int64_t live_bytes, peak_bytes;
static bool counting_bytes;

static void *counted(void *p) {
  __atomic_store_n(&allocations, __atomic_load_n(&allocations, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
  if (__builtin_expect(counting_bytes, 0) && p) {
    live_bytes += (int64_t)malloc_usable_size(p);
    if (live_bytes > peak_bytes) peak_bytes = live_bytes;
  }
  return p;
}

static void dropped(void *p) {
  if (__builtin_expect(counting_bytes, 0) && p) live_bytes -= (int64_t)malloc_usable_size(p);
}

void *malloc(size_t size) { return counted(__libc_malloc(size)); }
void *calloc(size_t count, size_t size) { return counted(__libc_calloc(count, size)); }
void *realloc(void *p, size_t size) {
  dropped(p);
  return counted(__libc_realloc(p, size));
}
void *memalign(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
void *aligned_alloc(size_t alignment, size_t size) { return counted(__libc_memalign(alignment, size)); }
int posix_memalign(void **out, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) || (alignment & (alignment - 1)) || alignment == 0) return EINVAL;
  void *p = counted(__libc_memalign(alignment, size));
  if (!p) return ENOMEM;
  *out = p;
  return 0;
}
void free(void *p) {
  dropped(p);
  __libc_free(p);
}

bool wsb_allocations_are_counted(void) { return true; }
uint64_t wsb_allocations(void) { return __atomic_load_n(&allocations, __ATOMIC_RELAXED); }
int64_t wsb_live_bytes(void) { return live_bytes; }
int64_t wsb_peak_bytes(void) { return peak_bytes; }
void wsb_count_bytes(bool on) {
  live_bytes = 0;
  peak_bytes = 0;
  counting_bytes = on;
}

#else

bool wsb_allocations_are_counted(void) { return false; }
uint64_t wsb_allocations(void) { return 0; }
int64_t wsb_live_bytes(void) { return 0; }
int64_t wsb_peak_bytes(void) { return 0; }
void wsb_count_bytes(bool on) { (void)on; }

#endif
