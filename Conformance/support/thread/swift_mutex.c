// SPDX-License-Identifier: Apache-2.0
// Shows ThreadSanitizer the locks of Swift's library, to be loaded before it.
//
// Taking a free `Mutex` and giving it back is done by atomic operations in the code that uses it, which is instrumented. If
// another thread has it, it is taken and given back in the library, which is not: all that it protects would look like a race.
// These two stand in front of the library's.

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

void __tsan_acquire(void *) __attribute__((weak));
void __tsan_release(void *) __attribute__((weak));

static void *library(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) {
    fprintf(stderr, "Swift's library has no %s\n", name);
    abort();
  }
  return found;
}

SWIFT void lock(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT void lock(uint32_t thread, SELF void *mutex) {
  static SWIFT void (*real)(uint32_t, SELF void *);
  if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE)) __atomic_store_n(&real, library(LOCK), __ATOMIC_RELEASE);
  real(thread, mutex);
  if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT void unlock(SELF void *mutex) __asm__(UNLOCK);
SWIFT void unlock(SELF void *mutex) {
  static SWIFT void (*real)(SELF void *);
  if (!__atomic_load_n(&real, __ATOMIC_ACQUIRE)) __atomic_store_n(&real, library(UNLOCK), __ATOMIC_RELEASE);
  if (__tsan_release) __tsan_release(mutex);
  real(mutex);
}
