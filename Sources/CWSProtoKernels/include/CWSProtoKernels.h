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
/// `key` holds the four wire bytes in memory order and applies to the first byte. The two ranges are the same
/// or don't overlap; `count` is at least `CWSPROTO_MASK_MINIMUM`.
void cwsproto_mask(void *destination, const void *source, size_t count, uint32_t key);

/// The same, and whether everything that was written is ASCII: 1 or 0.
int cwsproto_mask_is_ascii(void *destination, const void *source, size_t count, uint32_t key);

/// The smallest count `cwsproto_mask` takes: its widest head and tail, which may overlap each other.
#define CWSPROTO_MASK_MINIMUM 64

/// The length of a prefix that consists of complete, well-formed UTF-8 characters (RFC 3629).
///
/// The first byte is taken as the start of a character. Where nothing is wrong, at most three bytes are left over,
/// those of an unfinished last character. Where something is wrong, the earliest byte that proves it lies within
/// 132 bytes of the returned offset. On a processor without byte shuffles the answer is 0: nothing is checked.
size_t cwsproto_utf8_verified(const uint8_t *base, size_t count);

/// Writes 512 bytes of ChaCha20's keystream (RFC 8439 section 2.3): blocks 0 to 7 under the 32 bytes of `key` and a nonce
/// of zeros, word by word in turn: the first words of the eight blocks, then their second words, and so on. `output` may
/// hold `key`.
void cwsproto_chacha20(const uint8_t *key, uint8_t *output);

/// For tests: the same with the version number `level` (0 the simplest, then 1; validation has a 2) in place of the
/// best this processor has. They do nothing and return -1 where this processor doesn't have that level.
int cwsproto_mask_at_level(int level, void *destination, const void *source, size_t count, uint32_t key);
int cwsproto_mask_is_ascii_at_level(int level, void *destination, const void *source, size_t count, uint32_t key);
ptrdiff_t cwsproto_utf8_verified_at_level(int level, const uint8_t *base, size_t count);
int cwsproto_chacha20_at_level(int level, const uint8_t *key, uint8_t *output);

#ifdef __cplusplus
}
#endif

#endif
