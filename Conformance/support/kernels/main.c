// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

// MARK: What is checked

static const char *checked_kernel = "nothing";
static int checked_level;
static size_t checked_count;
static const void *checked_at;

void now_checking(const char *kernel, int level, size_t count, const void *at) {
  checked_kernel = kernel;
  checked_level = level;
  checked_count = count;
  checked_at = at;
}

enum { LEVELS = 8 };
static size_t calls, calls_at_level[LEVELS];

void agreed(int level) {
  calls++;
  if (level >= 0) calls_at_level[level]++;
}

void report(const char *kernel, const char *with) {
  printf("%s, level", kernel);
  for (int level = 0; level < LEVELS; level++)
    if (calls_at_level[level] > 0) printf(" %d", level);
  printf(": %zu calls agree with %s\n", calls, with);
  calls = 0;
  memset(calls_at_level, 0, sizeof calls_at_level);
}

static void say_what(void) {
  char line[160];
  int length = snprintf(line, sizeof line, "in %s, level %d, %zu bytes at %p\n", checked_kernel, checked_level,
                        checked_count, checked_at);
  if (write(STDERR_FILENO, line, (size_t)length) < 0) _exit(3);
}

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  say_what();
  exit(1);
}

#if !defined(HAS_ASAN)
static void say_and_die(int signal) {
  (void)signal;
  static const char what[] = "memory that isn't the kernel's was touched\n";
  if (write(STDERR_FILENO, what, sizeof what - 1) < 0) _exit(3);
  say_what();
  _exit(2);
}
#endif

// MARK: Places

enum { ROOM = 1024, CANARY = 0xA5 };
// A canary is a continuation byte of UTF-8, so that reading one changes what comes out.

static uint8_t *rooms[ROOMS], *pages;
static place placed[ROOMS];
static size_t page;

static void make_rooms(void) {
  for (int room = 0; room < ROOMS; room++) {
    if (posix_memalign((void **)&rooms[room], ALIGNMENTS, ROOM) != 0) fail("no memory");
    memset(rooms[room], CANARY, ROOM);
  }
  page = (size_t)sysconf(_SC_PAGESIZE);
  pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_READ | PROT_WRITE) != 0) fail("no pages");
}

place aligned(int room, size_t alignment, size_t count) {
  uint8_t *base = rooms[room];
  ASAN_UNPOISON_MEMORY_REGION(base, ROOM);
  if (placed[room].bytes) memset(placed[room].bytes, CANARY, placed[room].count);
  placed[room] = (place){base + ALIGNMENTS + alignment, count};
  ASAN_POISON_MEMORY_REGION(base, ROOM);
  ASAN_UNPOISON_MEMORY_REGION(placed[room].bytes, count);
  return placed[room];
}

void intact(int room) {
  uint8_t *base = rooms[room], *first = placed[room].bytes, *end = first + placed[room].count;
  ASAN_UNPOISON_MEMORY_REGION(base, ROOM);
  for (uint8_t *byte = base; byte < base + ROOM; byte++) {
    if (byte == first) byte = end;
    if (*byte != CANARY) fail("the byte at %p was written", (void *)byte);
  }
  ASAN_POISON_MEMORY_REGION(base, ROOM);
  ASAN_UNPOISON_MEMORY_REGION(first, placed[room].count);
}

place before_guard(size_t count) {
  memset(pages + page, CANARY, page);
  return (place){pages + 2 * page - count, count};
}

place behind_guard(size_t count) {
  memset(pages + page, CANARY, page);
  return (place){pages + page, count};
}

// MARK: Random bytes

// SplitMix64.
uint64_t random_bits(void) {
  static uint64_t state = 6455;
  uint64_t z = state += 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

void random_fill(uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)random_bits();
}

int main(void) {
#if defined(HAS_ASAN)
  __sanitizer_set_death_callback(say_what);
#else
  signal(SIGSEGV, say_and_die);
  signal(SIGBUS, say_and_die);
#endif
  make_rooms();
  check_mask();
  check_utf8();
  check_chacha20();
  return 0;
}
