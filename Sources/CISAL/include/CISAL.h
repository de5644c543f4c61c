// SPDX-License-Identifier: Apache-2.0
// Raw DEFLATE (RFC 1951) by Intel ISA-L, one step at a time. Defined where the package's trait ISAL is on and ISA-L is
// installed; declared everywhere, so that documentation and indexing don't need it.
//
// Swift sees pointers to incomplete types: it would import the arrays of ISA-L's states as tuples of thousands.
#ifndef CISAL_H
#define CISAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ----------------------------------------------------------------------------------------------------------- Compressor

typedef struct cisal_deflater cisal_deflater;

/// `level` is 1 to 3, `window_bits` 9 to 15. After `restarts_after` bytes of input, at most 2^31, the history is dropped:
/// ISA-L counts them in 32 bits. NULL if there is no memory.
cisal_deflater *cisal_deflater_open(uint32_t level, uint16_t window_bits, uint32_t restarts_after);

/// One with the same history, between two flushes that are complete. NULL if there is no memory.
cisal_deflater *cisal_deflater_copy(const cisal_deflater *deflater);

void cisal_deflater_close(cisal_deflater *deflater);

/// Forgets the history and what is under way.
void cisal_deflater_reset(cisal_deflater *deflater);

typedef enum cisal_flush {
  /// All is out.
  CISAL_FLUSHED,
  /// More is to come: call again, with more room.
  CISAL_NOT_FLUSHED,
  CISAL_FAILED,
} cisal_flush;

/// Compresses `*count` bytes, at most 2^30, and flushes them to a byte boundary with an empty stored block, into `*room`
/// bytes, at most UINT32_MAX. Both are then what is left.
cisal_flush cisal_deflate(
  cisal_deflater *deflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
);

// --------------------------------------------------------------------------------------------------------- Decompressor

typedef struct cisal_inflater cisal_inflater;

/// NULL if there is no memory.
cisal_inflater *cisal_inflater_open(void);

/// One in the same state. NULL if there is no memory.
cisal_inflater *cisal_inflater_copy(const cisal_inflater *inflater);

void cisal_inflater_close(cisal_inflater *inflater);

void cisal_inflater_reset(cisal_inflater *inflater);

typedef enum cisal_status {
  /// All that the input gives is out.
  CISAL_NEEDS_INPUT,
  /// The room is full, and more is to come.
  CISAL_NEEDS_ROOM,
  /// A final block has ended; the next call goes on at the next octet, with the history.
  CISAL_FINAL_BLOCK,
  /// The same, and bits of that octet, or octets behind it, were taken already.
  CISAL_FINAL_BLOCK_AND_MORE,
  /// What comes next is no DEFLATE; all that came before it is out. So it stays until a reset.
  CISAL_INVALID,
} cisal_status;

/// Decodes `*count` bytes, at most UINT32_MAX, into `*room` bytes, at least one. Both are then what is left.
cisal_status cisal_inflate(
  cisal_inflater *inflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
);

/// Whether a block has ended and no bit behind it was read.
bool cisal_inflater_is_between_blocks(const cisal_inflater *inflater);

/// The usual end of a message, without a step: the header of an empty stored block has been read, and nothing behind
/// its octet. Whether it was so; the block has then been read to its end (RFC 7692 §7.2.2).
bool cisal_inflater_end_at_stored_header(cisal_inflater *inflater);

#endif
