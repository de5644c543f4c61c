// SPDX-License-Identifier: Apache-2.0
#include "CHeap.h"

#if defined(__linux__)
#include <features.h>
#endif

#if defined(__GLIBC__)
#include <malloc.h>

uint64_t wsb_heap_bytes(void) {
  struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
#else
uint64_t wsb_heap_bytes(void) { return 0; }
#endif
