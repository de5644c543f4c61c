// SPDX-License-Identifier: Apache-2.0
// A raw DEFLATE decompressor on isal_inflate that never writes to memory of the caller's.
//
// All output goes to the window within ISA-L's own state, 64 KB of which the last 32 KB are history, and is taken from
// there. ISA-L gets no room elsewhere, so what it says of the caller's buffer, which is wrong after an error, is of no
// account. Written against ISA-L 2.30 and tested with it on x86-64; cisal_inflate_peek depends on the form of its tables.
//
// Swift sees pointers to an incomplete type: it would import the arrays of the state as tuples of thousands.
#ifndef CISAL_INFLATE_H
#define CISAL_INFLATE_H

#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
  /// How far back DEFLATE can reach.
  cisal_history = ISAL_DEF_HIST_SIZE,
  /// From this fill on ISA-L decodes no more into its window.
  cisal_window = 2 * ISAL_DEF_HIST_SIZE,
  /// Input of less than this never enters ISA-L's fast loop, which is the one that loses count on an error.
  cisal_exact_input = 7,
};

typedef struct cisal_inflater cisal_inflater;

struct cisal_inflater_parts {
  struct inflate_state state;
  /// How much of the window was taken. ISA-L's own counter, `tmp_out_processed`, stays 0: so it neither moves the
  /// window nor decodes elsewhere than into it.
  uint32_t taken;
  // What a step changes, before it: see cisal_inflate_mark.
  struct {
    uint64_t read_in;
    int32_t read_in_length;
    enum isal_block_state block_state;
    uint32_t bfinal;
    int32_t type0_block_len;
    int16_t tmp_in_size;
    int32_t tmp_out_valid;
    uint8_t tmp_in_buffer[ISAL_DEF_MAX_HDR_SIZE];
    struct inflate_huff_code_large lit_huff_code;
    struct inflate_huff_code_small dist_huff_code;
  } mark;
};

static inline struct cisal_inflater_parts *cisal_inflater_parts(cisal_inflater *inflater) {
  return (struct cisal_inflater_parts *)inflater;
}

static inline size_t cisal_inflater_size(void) { return sizeof(struct cisal_inflater_parts); }

/// Zeroed, so that no memory of others is in its window; NULL if there is no memory.
static inline cisal_inflater *cisal_inflater_open(void) {
  struct cisal_inflater_parts *parts = calloc(1, sizeof *parts);
  if (parts) isal_inflate_init(&parts->state);
  return (cisal_inflater *)parts;
}

static inline cisal_inflater *cisal_inflater_copy(cisal_inflater *inflater) {
  // No pointers within: those to the caller's memory are NULL between two steps.
  struct cisal_inflater_parts *copy = malloc(sizeof *copy);
  if (copy) memcpy(copy, inflater, sizeof *copy);
  return (cisal_inflater *)copy;
}

static inline void cisal_inflater_close(cisal_inflater *inflater) { free(inflater); }

static inline void cisal_inflate_reset(cisal_inflater *inflater) {
  isal_inflate_reset(&cisal_inflater_parts(inflater)->state);
  cisal_inflater_parts(inflater)->taken = 0;
}

/// Decodes `*count` bytes, at most UINT32_MAX, until they are used up, the window is full or a final block ends.
/// `*count` is then what is left of them. Whether all was valid; if not, only a return to the mark is of use.
static inline bool cisal_inflate_step(cisal_inflater *inflater, const uint8_t *bytes, size_t *count) {
  struct inflate_state *state = &cisal_inflater_parts(inflater)->state;
  uint8_t none[8];
  state->next_in = (uint8_t *)bytes;
  state->avail_in = (uint32_t)*count;
  state->next_out = none;
  state->avail_out = 0;
  int status = isal_inflate(state);
  *count = state->avail_in;
  state->next_in = NULL;
  state->avail_in = 0;
  state->next_out = NULL;
  state->avail_out = 0;
  return status >= 0;
}

/// What has been decoded and not taken, in bytes.
static inline size_t cisal_inflate_pending(cisal_inflater *inflater) {
  struct cisal_inflater_parts *parts = cisal_inflater_parts(inflater);
  return (size_t)((uint32_t)parts->state.tmp_out_valid - parts->taken);
}

/// Where the next `count` bytes of that lie, which are taken by this call. They stay there until the next step or
/// cisal_inflate_make_room.
static inline const uint8_t *cisal_inflate_take(cisal_inflater *inflater, size_t count) {
  struct cisal_inflater_parts *parts = cisal_inflater_parts(inflater);
  const uint8_t *bytes = parts->state.tmp_out_buffer + parts->taken;
  parts->taken += (uint32_t)count;
  return bytes;
}

static inline bool cisal_inflate_window_is_full(cisal_inflater *inflater) {
  return cisal_inflater_parts(inflater)->state.tmp_out_valid >= cisal_window;
}

/// Makes room in the window for 16 KB at least, if nothing in it is pending. Keeps the history. Moves no more bytes than
/// were decoded since the last move, times two.
static inline void cisal_inflate_make_room(cisal_inflater *inflater) {
  struct cisal_inflater_parts *parts = cisal_inflater_parts(inflater);
  struct inflate_state *state = &parts->state;
  if (state->tmp_out_valid <= cisal_history + cisal_history / 2 || cisal_inflate_pending(inflater) > 0) return;
  memmove(state->tmp_out_buffer, state->tmp_out_buffer + state->tmp_out_valid - cisal_history, cisal_history);
  state->tmp_out_valid = cisal_history;
  parts->taken = cisal_history;
}

/// Whether a final block has ended (RFC 1951 §3.2.3, BFINAL).
static inline bool cisal_inflate_final_block_ended(cisal_inflater *inflater) {
  enum isal_block_state state = cisal_inflater_parts(inflater)->state.block_state;
  return state == ISAL_BLOCK_INPUT_DONE || state == ISAL_BLOCK_FINISH;
}

/// Goes on behind a final block, at the next octet and with the history. Whether bits are left to be read there.
static inline bool cisal_inflate_continue(cisal_inflater *inflater) {
  struct inflate_state *state = &cisal_inflater_parts(inflater)->state;
  int32_t padding = state->read_in_length % 8;
  state->read_in >>= padding;
  state->read_in_length -= padding;
  state->bfinal = 0;
  state->block_state = ISAL_BLOCK_NEW_HDR;
  return state->read_in_length > 0;
}

/// Whether codes are being read, so that a mark has to copy the tables for them.
static inline bool cisal_inflate_is_in_block(cisal_inflater *inflater) {
  return cisal_inflater_parts(inflater)->state.block_state == ISAL_BLOCK_CODED;
}

/// Whether a block has ended, and no bits behind it were read.
static inline bool cisal_inflate_is_between_blocks(cisal_inflater *inflater) {
  struct inflate_state *state = &cisal_inflater_parts(inflater)->state;
  return (state->block_state == ISAL_BLOCK_NEW_HDR || state->block_state == ISAL_BLOCK_HDR)
    && state->read_in_length == 0 && state->tmp_in_size == 0;
}

/// The usual end of a message, without a step: the header of an empty stored block has been read, and nothing behind
/// its octet. Whether it was so; the block has then been read to its end (RFC 7692 §7.2.2).
static inline bool cisal_inflate_end_at_stored_header(cisal_inflater *inflater) {
  struct inflate_state *state = &cisal_inflater_parts(inflater)->state;
  if (state->block_state != ISAL_BLOCK_HDR || state->read_in_length < 0 || state->tmp_in_size > 2) return false;
  uint32_t count = (uint32_t)state->read_in_length;
  // An octet, and two bits at most of the one before: the header is not in the octet alone.
  if (count + 8 * (uint32_t)state->tmp_in_size < 3 || count + 8 * (uint32_t)state->tmp_in_size > 10) return false;
  uint32_t bits = (uint32_t)state->read_in & ((1u << count) - 1);
  for (int16_t index = 0; index < state->tmp_in_size; index++)
    bits |= (uint32_t)state->tmp_in_buffer[index] << (count + 8 * (uint32_t)index);
  if (bits & 6) return false;
  state->read_in = 0;
  state->read_in_length = 0;
  state->tmp_in_size = 0;
  state->bfinal = 0;
  state->block_state = ISAL_BLOCK_NEW_HDR;
  return true;
}

/// Notes the state, for cisal_inflate_return. The window needs no copy: a step only adds to it. Nor do the tables,
/// unless a block is under way; else a block's header comes first, and makes them.
static inline void cisal_inflate_mark(cisal_inflater *inflater) {
  struct cisal_inflater_parts *parts = cisal_inflater_parts(inflater);
  struct inflate_state *state = &parts->state;
  parts->mark.read_in = state->read_in;
  parts->mark.read_in_length = state->read_in_length;
  parts->mark.block_state = state->block_state;
  parts->mark.bfinal = state->bfinal;
  parts->mark.type0_block_len = state->type0_block_len;
  parts->mark.tmp_in_size = state->tmp_in_size;
  parts->mark.tmp_out_valid = state->tmp_out_valid;
  if (state->tmp_in_size > 0) memcpy(parts->mark.tmp_in_buffer, state->tmp_in_buffer, sizeof state->tmp_in_buffer);
  if (state->block_state != ISAL_BLOCK_CODED) return;
  memcpy(&parts->mark.lit_huff_code, &state->lit_huff_code, sizeof state->lit_huff_code);
  memcpy(&parts->mark.dist_huff_code, &state->dist_huff_code, sizeof state->dist_huff_code);
}

/// Undoes the one step since the mark.
static inline void cisal_inflate_return(cisal_inflater *inflater) {
  struct cisal_inflater_parts *parts = cisal_inflater_parts(inflater);
  struct inflate_state *state = &parts->state;
  state->read_in = parts->mark.read_in;
  state->read_in_length = parts->mark.read_in_length;
  state->block_state = parts->mark.block_state;
  state->bfinal = parts->mark.bfinal;
  state->type0_block_len = parts->mark.type0_block_len;
  state->tmp_in_size = parts->mark.tmp_in_size;
  state->tmp_out_valid = parts->mark.tmp_out_valid;
  state->write_overflow_lits = 0;
  state->write_overflow_len = 0;
  state->copy_overflow_length = 0;
  state->copy_overflow_distance = 0;
  if (state->tmp_in_size > 0) memcpy(state->tmp_in_buffer, parts->mark.tmp_in_buffer, sizeof state->tmp_in_buffer);
  if (state->block_state != ISAL_BLOCK_CODED) return;
  memcpy(&state->lit_huff_code, &parts->mark.lit_huff_code, sizeof state->lit_huff_code);
  memcpy(&state->dist_huff_code, &parts->mark.dist_huff_code, sizeof state->dist_huff_code);
}

/// The literal that an entry of the table begins with, or -1.
static inline int cisal_first_literal(uint32_t entry) {
  // Bits 28…31: the code's length; 26, 27: how many symbols; 25: there are longer codes; below: the symbols.
  if (entry >> 28 == 0 || entry >> 25 & 1) return -1;
  if ((entry >> 26 & 3) > 1) return (int)(entry & 0xFF);
  uint32_t symbol = entry & ((1u << 25) - 1);
  return symbol < 256 ? (int)symbol : -1;
}

/// Literals that are complete in what was read, but which ISA-L holds back since it looks up several symbols at once and
/// not all of these are. Writes up to 4 of them, gives back how many. They come again with later input.
static inline size_t cisal_inflate_peek(cisal_inflater *inflater, uint8_t literals[4]) {
  struct inflate_state *state = &cisal_inflater_parts(inflater)->state;
  if (state->block_state != ISAL_BLOCK_CODED) return 0;
  const uint32_t *table = state->lit_huff_code.short_code_lookup;
  const uint32_t all = (1u << ISAL_DECODE_LONG_BITS) - 1;
  uint64_t bits = state->read_in;
  int32_t left = state->read_in_length;
  size_t count = 0;
  while (count < 4) {
    int literal = -1;
    int32_t length = 0;
    // A code is complete as soon as what follows it cannot change its symbol.
    while (literal < 0 && length < left && length < ISAL_DECODE_LONG_BITS) {
      length++;
      uint32_t mask = (1u << length) - 1;
      literal = cisal_first_literal(table[bits & mask]);
      if (literal != cisal_first_literal(table[(bits & mask) | (all & ~mask)])) literal = -1;
    }
    if (literal < 0) break;
    literals[count++] = (uint8_t)literal;
    bits >>= length;
    left -= length;
  }
  return count;
}

#endif
