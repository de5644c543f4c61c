// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

__thread struct cwsproto_spares cwsproto_spares_of_this_thread;

#if defined(_WIN32)

int cwsproto_keep_first_spare(int slot, void *object, void (*release)(void *)) {
  (void)slot;
  (void)object;
  (void)release;
  return 0;
}

#else

#include <pthread.h>

enum { BEFORE_FIRST = 0, KEEPS = 1, ENDING = 2 };

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int has_key;

// Other destructors of the thread may still run connections: nothing is kept for them.
static void thread_ends(void *unused) {
  (void)unused;
  cwsproto_spares_of_this_thread.state = ENDING;
  for (int slot = 0; slot < CWSPROTO_SPARE_SLOTS; slot++) {
    void *object = cwsproto_take_spare(slot);
    if (object) cwsproto_spares_of_this_thread.release(object);
  }
}

static void make_key(void) { has_key = pthread_key_create(&key, thread_ends) == 0; }

int cwsproto_keep_first_spare(int slot, void *object, void (*release)(void *)) {
  if (cwsproto_spares_of_this_thread.state == ENDING) return 0;
  pthread_once(&once, make_key);
  // Any value but NULL makes the thread's end call the destructor.
  if (!has_key || pthread_setspecific(key, &key) != 0) return 0;
  cwsproto_spares_of_this_thread.release = release;
  cwsproto_spares_of_this_thread.state = KEEPS;
  cwsproto_spares_of_this_thread.objects[slot] = object;
  return 1;
}

#endif
