// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

__thread struct cwsproto_random_block cwsproto_random_block_of_this_thread;

#if !defined(_WIN32)

// Runs in the only thread of the child: without it, parent and child would give out the same bytes.
static void forget(void) {
  cwsproto_random_block_of_this_thread.remaining = 0;
  cwsproto_random_block_of_this_thread.blocks_left = 0;
}

__attribute__((constructor)) static void forget_after_fork(void) { pthread_atfork(0, 0, forget); }

#endif
