// SPDX-License-Identifier: Apache-2.0
#ifndef CHEAP_H
#define CHEAP_H

#include <stdint.h>

// The bytes that malloc has given out in this process, with its own overhead; 0 where glibc does not count them.
uint64_t wsb_heap_bytes(void);

#endif
