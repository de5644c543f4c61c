// SPDX-License-Identifier: Apache-2.0
#ifndef CWSPROTO_KERNELS_H
#define CWSPROTO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Masks `count` bytes of `source` into `destination` (RFC 6455 section 5.3).
///
/// `key` holds the four wire bytes in memory order and applies to the first byte. The two ranges must be identical or
/// not overlap; `count` must be at least `CWSPROTO_MASK_MINIMUM`.
void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key);

/// The same; returns 1 if everything written is ASCII, otherwise 0.
int cwsproto_mask_is_ascii(void *destination, const void *source, size_t count, uint32_t key);

/// The smallest count for `cwsproto_mask`: its widest head and tail, which may overlap.
#define CWSPROTO_MASK_MINIMUM 64

/// The length of a prefix that consists of complete, well-formed UTF-8 characters (RFC 3629).
///
/// The first byte is taken as the start of a character. If everything is valid, at most three bytes remain, those of
/// an unfinished last character. If not, the earliest byte that proves it lies within 132 bytes of the returned
/// offset. On a processor without byte shuffles the result is 0: nothing is checked.
size_t cwsproto_utf8_verified(const uint8_t *base, size_t count);

/// Writes 512 bytes of ChaCha20 keystream (RFC 8439 section 2.3): blocks 0 to 7 for the 32 bytes of `key` and a zero
/// nonce, interleaved by words: the first words of the eight blocks, then their second words, and so on. `output` may
/// contain `key`.
void cwsproto_chacha20(const uint8_t *key, uint8_t *output);

/// Random bytes that have been made ahead, and the key of those that follow.
struct cwsproto_random_block {
  /// The bytes to give out, followed by the 32 bytes of the next block's key.
  uint8_t bytes[512];
  /// How many bytes, from the start, have not been given out yet.
  uint32_t remaining;
  /// How many blocks may still be made before a key is drawn from the system.
  uint32_t blocks_left;
};

extern __thread struct cwsproto_random_block cwsproto_random_block_of_this_thread;

/// The calling thread's block. A process that was forked begins with an empty one. (Swift can't import the variable.)
__attribute__((returns_nonnull)) static inline struct cwsproto_random_block *cwsproto_random_block_of_thread(void) {
  return &cwsproto_random_block_of_this_thread;
}

/// How many slots a thread has.
#define CWSPROTO_SPARE_SLOTS 3

/// A thread's slots, each for one object that it keeps for its next use.
struct cwsproto_spares {
  /// NULL where there is none.
  void *objects[CWSPROTO_SPARE_SLOTS];
  /// Called with each object when the thread ends. NULL before the first object.
  void (*release)(void *);
  /// 1 once the thread's end will release the objects; 2 from then on; before, 0.
  int state;
};

extern __thread struct cwsproto_spares cwsproto_spares_of_this_thread;

/// Takes the object out of a slot of the calling thread, below `CWSPROTO_SPARE_SLOTS`; NULL if there is none.
__attribute__((always_inline)) static inline void *cwsproto_take_spare(int slot) {
  void *object = cwsproto_spares_of_this_thread.objects[slot];
  cwsproto_spares_of_this_thread.objects[slot] = NULL;
  return object;
}

/// The same as `cwsproto_keep_spare`, for a thread that keeps its first object.
int cwsproto_keep_first_spare(int slot, void *object, void (*release)(void *));

/// Puts an object into a slot of the calling thread. Returns 1, or 0 if the slot is not free or the thread is about to
/// end: the object is not kept then. When the thread ends, `release` is called with what is in its slots; it must always
/// be the same function.
__attribute__((always_inline)) static inline int cwsproto_keep_spare(int slot, void *object, void (*release)(void *)) {
  if (cwsproto_spares_of_this_thread.objects[slot]) return 0;
  if (cwsproto_spares_of_this_thread.state != 1) return cwsproto_keep_first_spare(slot, object, release);
  cwsproto_spares_of_this_thread.objects[slot] = object;
  return 1;
}

/// For tests: the same with the version number `level` (0 is the simplest, then 1; validation also has 2) instead of
/// the best one for this processor. If this processor doesn't support that level, they do nothing and return -1.
int cwsproto_mask_at_level(int level, void *destination, const void *source, size_t count, uint32_t key);
int cwsproto_mask_is_ascii_at_level(int level, void *destination, const void *source, size_t count, uint32_t key);
ptrdiff_t cwsproto_utf8_verified_at_level(int level, const uint8_t *base, size_t count);
int cwsproto_chacha20_at_level(int level, const uint8_t *key, uint8_t *output);

#ifdef __cplusplus
}
#endif

#endif
