// SPDX-License-Identifier: Apache-2.0
#include <valgrind/valgrind.h>

// How many errors valgrind has found so far; 0 without it. It prints each place in a program once only, and counts all.
static inline unsigned valgrind_errors(void) { return VALGRIND_COUNT_ERRORS; }
