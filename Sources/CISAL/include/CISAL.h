// SPDX-License-Identifier: Apache-2.0
// Raw DEFLATE (RFC 1951) with Intel ISA-L, one step at a time. Defined if the package trait ISAL is on and ISA-L is
// installed; declared in any case, so that documentation and indexing don't need it.
//
// Swift sees pointers to incomplete types, because it would import the arrays in ISA-L's states as tuples with
// thousands of elements.
#ifndef CISAL_H
#define CISAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// ----------------------------------------------------------------------------------------------------------- Compressor

typedef struct cisal_deflater cisal_deflater;

/// `level` is 1 to 3, `window_bits` 9 to 15. The history is dropped after `restarts_after` bytes of input, at most
/// 2^31, because ISA-L counts them in 32 bits. NULL if there is no memory.
cisal_deflater *cisal_deflater_open(uint32_t level, uint16_t window_bits, uint32_t restarts_after);

/// A copy with the same history. Only between two complete flushes. NULL if there is no memory.
cisal_deflater *cisal_deflater_copy(const cisal_deflater *deflater);

void cisal_deflater_close(cisal_deflater *deflater);

/// Clears the history and any unfinished input.
void cisal_deflater_reset(cisal_deflater *deflater);

typedef enum cisal_flush {
  /// All output has been written.
  CISAL_FLUSHED,
  /// There is more output: call again, with more room.
  CISAL_NOT_FLUSHED,
  CISAL_FAILED,
} cisal_flush;

/// Compresses `*count` bytes, at most 2^30, and flushes them to a byte boundary with an empty stored block, into
/// `*room` bytes, at most UINT32_MAX. Afterwards both hold what is left.
cisal_flush cisal_deflate(
  cisal_deflater *deflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
);

// --------------------------------------------------------------------------------------------------------- Decompressor

typedef struct cisal_inflater cisal_inflater;

/// NULL if there is no memory.
cisal_inflater *cisal_inflater_open(void);

/// A copy in the same state. NULL if there is no memory.
cisal_inflater *cisal_inflater_copy(const cisal_inflater *inflater);

void cisal_inflater_close(cisal_inflater *inflater);

void cisal_inflater_reset(cisal_inflater *inflater);

typedef enum cisal_status {
  /// All output for the input has been written.
  CISAL_NEEDS_INPUT,
  /// The room is full, and there is more output.
  CISAL_NEEDS_ROOM,
  /// A final block has ended; the next call continues at the next octet, with the same history.
  CISAL_FINAL_BLOCK,
  /// The same, and bits of that octet, or octets after it, have already been taken.
  CISAL_FINAL_BLOCK_AND_MORE,
  /// What follows is not valid DEFLATE; all output before it has been written. Stays so until a reset.
  CISAL_INVALID,
} cisal_status;

/// Decodes `*count` bytes, at most UINT32_MAX, into `*room` bytes, at least one. Afterwards both hold what is left.
cisal_status cisal_inflate(
  cisal_inflater *inflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
);

/// Whether a block has just ended and no bit after it has been read.
bool cisal_inflater_is_between_blocks(const cisal_inflater *inflater);

/// Ends a message in the usual way, without a step: the header of an empty stored block has been read, and nothing
/// after its octet. Returns whether that was the case; the block is then read to its end (RFC 7692 §7.2.2).
bool cisal_inflater_end_at_stored_header(cisal_inflater *inflater);

#endif
