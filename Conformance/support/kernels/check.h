// SPDX-License-Identifier: Apache-2.0
#ifndef CHECK_H
#define CHECK_H

#include <stddef.h>
#include <stdint.h>

// The kernels of Sources/CWSProtoKernels beside plain versions of the same, byte by byte. Each file checks one kernel.

void check_mask(void);
void check_utf8(void);
void check_chacha20(void);

/// Every length up to this one is tried, at every address modulo `ALIGNMENTS`.
enum { LONGEST = 600, ALIGNMENTS = 64 };

/// Where a kernel works: `count` bytes that it may touch, and none before or behind them.
///
/// With AddressSanitizer whatever surrounds them is poisoned (the 7 bytes before them may stay readable, which its
/// shadow memory cannot tell apart). Without it `intact` still finds writes, and `before_guard` and `behind_guard`
/// put the bytes next to a page that cannot be touched.
typedef struct {
  uint8_t *bytes;
  size_t count;
} place;

/// One of several rooms, 0 to `ROOMS` - 1; a new place in a room ends the one before it. `alignment` is the address
/// modulo `ALIGNMENTS`.
place aligned(int room, size_t alignment, size_t count);
enum { ROOMS = 2 };

/// The last byte is the last of its page, the first one the first.
place before_guard(size_t count);
place behind_guard(size_t count);

/// Fails if a byte around a place of `aligned` was written.
void intact(int room);

/// What is checked, for the message of a failure. `level` is -1 for the version that the processor gets by itself.
void now_checking(const char *kernel, int level, size_t count, const void *at);
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Counts a call that agreed, `level` as above.
void agreed(int level);

/// Prints how many calls agreed with what since the last report, and at which levels.
void report(const char *kernel, const char *with);

/// Pseudorandom, the same in every run.
uint64_t random_bits(void);
static inline size_t random_below(size_t bound) { return (size_t)(random_bits() % bound); }
void random_fill(uint8_t *bytes, size_t count);

#endif
