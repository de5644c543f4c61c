// SPDX-License-Identifier: Apache-2.0
// A raw DEFLATE compressor on isal_deflate: its state, and the memory that a level needs, in one allocation.
//
// Swift sees pointers to an incomplete type: it would import the arrays of the state as tuples of thousands.
#ifndef CISAL_DEFLATE_H
#define CISAL_DEFLATE_H

#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct cisal_deflater cisal_deflater;

struct cisal_deflater_parts {
  struct isal_zstream stream;
  // ISA-L lays structs with pointers into it.
  _Alignas(64) uint8_t level_buffer[];
};

static inline struct cisal_deflater_parts *cisal_deflater_parts(cisal_deflater *deflater) {
  return (struct cisal_deflater_parts *)deflater;
}

/// The memory of a compressor, in bytes; `level` is 1 to 3.
static inline size_t cisal_deflater_size(uint32_t level) {
  // The smallest that holds the symbols of 16 KB of literals in one block.
  size_t buffer = level == 1 ? ISAL_DEF_LVL1_SMALL : level == 2 ? ISAL_DEF_LVL2_SMALL : ISAL_DEF_LVL3_SMALL;
  return (sizeof(struct cisal_deflater_parts) + buffer + 63) & ~(size_t)63;
}

/// `level` is 1 to 3, `window_bits` 9 to 15. NULL if there is no memory.
static inline cisal_deflater *cisal_deflater_open(uint32_t level, uint16_t window_bits) {
  size_t size = cisal_deflater_size(level);
  struct cisal_deflater_parts *parts = aligned_alloc(64, size);
  if (!parts) return NULL;
  memset(parts, 0, size);
  isal_deflate_init(&parts->stream);
  parts->stream.level = level;
  parts->stream.level_buf = parts->level_buffer;
  parts->stream.level_buf_size = (uint32_t)(size - sizeof *parts);
  parts->stream.hist_bits = window_bits;
  return (cisal_deflater *)parts;
}

static inline void cisal_deflater_close(cisal_deflater *deflater) { free(deflater); }

/// Forgets the history and what is under way.
static inline void cisal_deflate_reset(cisal_deflater *deflater) {
  isal_deflate_reset(&cisal_deflater_parts(deflater)->stream);
}

/// Compresses `*count` bytes, at most UINT32_MAX, with `*room` bytes, likewise, to write to. Both are then what is left.
/// Whether it went well.
static inline bool cisal_deflate_step(
  cisal_deflater *deflater, const uint8_t *bytes, size_t *count, uint8_t *output, size_t *room, bool flush
) {
  struct isal_zstream *stream = &cisal_deflater_parts(deflater)->stream;
  stream->next_in = (uint8_t *)bytes;
  stream->avail_in = (uint32_t)*count;
  stream->next_out = output;
  stream->avail_out = (uint32_t)*room;
  stream->flush = flush ? SYNC_FLUSH : NO_FLUSH;
  int status = isal_deflate(stream);
  *count = stream->avail_in;
  *room = stream->avail_out;
  stream->next_in = NULL;
  stream->avail_in = 0;
  stream->next_out = NULL;
  stream->avail_out = 0;
  return status == COMP_OK;
}

/// Whether nothing is held back: what a flush leaves behind.
static inline bool cisal_deflate_is_flushed(cisal_deflater *deflater) {
  const struct isal_zstate *state = &cisal_deflater_parts(deflater)->stream.internal_state;
  return state->state == ZSTATE_NEW_HDR && state->b_bytes_valid == state->b_bytes_processed
    && state->bitbuf.m_bit_count == 0;
}

/// Input since the start or the last reset, in bytes, modulo 2^32.
static inline uint32_t cisal_deflate_total(cisal_deflater *deflater) {
  return cisal_deflater_parts(deflater)->stream.total_in;
}

/// One with the same history, which must have been flushed. NULL if there is no memory.
static inline cisal_deflater *cisal_deflater_copy(cisal_deflater *deflater) {
  struct isal_zstream *source = &cisal_deflater_parts(deflater)->stream;
  cisal_deflater *copy = cisal_deflater_open(source->level, source->hist_bits);
  if (!copy || source->internal_state.has_hist == IGZIP_NO_HIST) return copy;
  // Not byte by byte: the level's memory holds pointers into itself.
  int status = isal_deflate_set_dict(
    &cisal_deflater_parts(copy)->stream, source->internal_state.buffer, source->internal_state.b_bytes_processed
  );
  if (status == COMP_OK) return copy;
  cisal_deflater_close(copy);
  return NULL;
}

#endif
