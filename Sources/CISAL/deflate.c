// SPDX-License-Identifier: Apache-2.0
// A raw DEFLATE compressor based on isal_deflate, with its state and the memory for its level in one allocation.

#include "library.h"

#if CISAL_AVAILABLE

struct cisal_deflater {
  struct isal_zstream stream;
  uint32_t restarts_after;
  // ISA-L maps structs with pointers onto it.
  _Alignas(64) uint8_t level_buffer[];
};

cisal_deflater *cisal_deflater_open(uint32_t level, uint16_t window_bits, uint32_t restarts_after) {
  // The smallest that holds the symbols of 16 KB of literals in one block.
  size_t buffer = level == 1 ? ISAL_DEF_LVL1_SMALL : level == 2 ? ISAL_DEF_LVL2_SMALL : ISAL_DEF_LVL3_SMALL;
  size_t size = (sizeof(cisal_deflater) + buffer + 63) & ~(size_t)63;
  cisal_deflater *deflater = aligned_alloc(64, size);
  if (!deflater) return NULL;
  memset(deflater, 0, size);
  isal_deflate_init(&deflater->stream);
  deflater->stream.level = level;
  deflater->stream.level_buf = deflater->level_buffer;
  deflater->stream.level_buf_size = (uint32_t)(size - sizeof *deflater);
  deflater->stream.hist_bits = window_bits;
  deflater->restarts_after = restarts_after;
  return deflater;
}

void cisal_deflater_close(cisal_deflater *deflater) { free(deflater); }

void cisal_deflater_reset(cisal_deflater *deflater) { isal_deflate_reset(&deflater->stream); }

/// Whether no output is held back, as after a flush.
static bool is_flushed(const struct isal_zstate *state) {
  return state->state == ZSTATE_NEW_HDR && state->b_bytes_valid == state->b_bytes_processed
    && state->bitbuf.m_bit_count == 0;
}

cisal_flush cisal_deflate(
  cisal_deflater *deflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
) {
  struct isal_zstream *stream = &deflater->stream;
  stream->next_in = (uint8_t *)input;
  stream->avail_in = (uint32_t)*count;
  stream->next_out = output;
  stream->avail_out = (uint32_t)*room;
  stream->flush = SYNC_FLUSH;
  int status = isal_deflate(stream);
  bool is_stuck = stream->avail_in == *count && stream->avail_out == *room;
  *count = stream->avail_in;
  *room = stream->avail_out;
  stream->next_in = NULL;
  stream->avail_in = 0;
  stream->next_out = NULL;
  stream->avail_out = 0;
  if (status != COMP_OK) return CISAL_FAILED;
  if (*count > 0 || *room == 0 || !is_flushed(&stream->internal_state))
    // Never observed, but the loop must end whatever ISA-L does.
    return is_stuck ? CISAL_FAILED : CISAL_NOT_FLUSHED;
  if (stream->total_in >= deflater->restarts_after) isal_deflate_reset(stream);
  return CISAL_FLUSHED;
}

cisal_deflater *cisal_deflater_copy(const cisal_deflater *deflater) {
  const struct isal_zstream *source = &deflater->stream;
  cisal_deflater *copy = cisal_deflater_open(source->level, source->hist_bits, deflater->restarts_after);
  if (!copy || source->internal_state.has_hist == IGZIP_NO_HIST) return copy;
  // Not a plain copy, because the level's memory contains pointers into itself.
  int status = isal_deflate_set_dict(
    &copy->stream, (uint8_t *)source->internal_state.buffer, source->internal_state.b_bytes_processed
  );
  if (status == COMP_OK) return copy;
  cisal_deflater_close(copy);
  return NULL;
}

#endif
