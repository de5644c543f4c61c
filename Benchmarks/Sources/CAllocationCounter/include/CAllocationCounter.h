// SPDX-License-Identifier: Apache-2.0
#ifndef CALLOCATIONCOUNTER_H
#define CALLOCATIONCOUNTER_H

#include <stdbool.h>
#include <stdint.h>

// Whether this platform's allocations are counted: glibc only.
bool wsb_allocations_are_counted(void);

// malloc, calloc, realloc, posix_memalign, aligned_alloc and memalign calls of this process so far.
uint64_t wsb_allocations(void);

// Bytes allocated and not freed since wsb_count_bytes(true), in sizes as the allocator rounds them.
int64_t wsb_live_bytes(void);
void wsb_count_bytes(bool on);

// The most that wsb_live_bytes has been since then.
int64_t wsb_peak_bytes(void);

#endif
