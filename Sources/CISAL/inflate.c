// SPDX-License-Identifier: Apache-2.0
// A raw DEFLATE decompressor based on isal_inflate that never writes to the caller's memory by itself.
//
// All output goes to the window inside ISA-L's state (64 KB, of which the last 32 KB are history) and is copied from
// there. ISA-L gets no other output buffer, so it doesn't matter that its report about the caller's buffer is wrong
// after an error.

#include "library.h"

#if CISAL_AVAILABLE

enum {
  /// When the window is filled to this size, ISA-L stops decoding into it.
  window_size = 2 * ISAL_DEF_HIST_SIZE,
  /// With so little input, ISA-L never enters its fast loop, which is the one that miscounts on an error.
  exact_input = 7,
};

/// The parts of the state that a step of ISA-L changes, saved before the step: see set_mark.
struct mark {
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
};

struct cisal_inflater {
  struct inflate_state state;
  /// How much of the window has been copied out. ISA-L's own counter, `tmp_out_processed`, stays 0, so that ISA-L
  /// neither moves the window nor decodes to another place.
  uint32_t taken;
  /// How many of the literals that ISA-L holds back have been output already; ISA-L will decode them again, and they
  /// are skipped then.
  uint32_t early;
  /// Whether bits after a final block have been taken from the input.
  bool has_bits;
  /// Whether the input after the bytes in the window is not valid DEFLATE.
  bool has_failed;
  struct mark mark;
};

cisal_inflater *cisal_inflater_open(void) {
  // Zeroed, so that its window contains nobody else's data.
  cisal_inflater *inflater = calloc(1, sizeof *inflater);
  if (inflater) isal_inflate_init(&inflater->state);
  return inflater;
}

cisal_inflater *cisal_inflater_copy(const cisal_inflater *inflater) {
  // The state has no internal pointers, and those to the caller's memory are NULL between steps.
  cisal_inflater *copy = malloc(sizeof *copy);
  if (copy) memcpy(copy, inflater, sizeof *copy);
  return copy;
}

void cisal_inflater_close(cisal_inflater *inflater) { free(inflater); }

void cisal_inflater_reset(cisal_inflater *inflater) {
  isal_inflate_reset(&inflater->state);
  inflater->taken = 0;
  inflater->early = 0;
  inflater->has_bits = false;
  inflater->has_failed = false;
}

// ------------------------------------------------------------------------------------------------------- Marks

/// Saves the state for return_to_mark. The window needs no copy, because a step only adds to it. The tables need one
/// only inside a block; otherwise a block's header comes first and rebuilds them.
static void set_mark(cisal_inflater *inflater) {
  const struct inflate_state *state = &inflater->state;
  struct mark *mark = &inflater->mark;
  mark->read_in = state->read_in;
  mark->read_in_length = state->read_in_length;
  mark->block_state = state->block_state;
  mark->bfinal = state->bfinal;
  mark->type0_block_len = state->type0_block_len;
  mark->tmp_in_size = state->tmp_in_size;
  mark->tmp_out_valid = state->tmp_out_valid;
  if (state->tmp_in_size > 0) memcpy(mark->tmp_in_buffer, state->tmp_in_buffer, sizeof state->tmp_in_buffer);
  if (state->block_state != ISAL_BLOCK_CODED) return;
  memcpy(&mark->lit_huff_code, &state->lit_huff_code, sizeof state->lit_huff_code);
  memcpy(&mark->dist_huff_code, &state->dist_huff_code, sizeof state->dist_huff_code);
}

/// Undoes the single step since the mark.
static void return_to_mark(cisal_inflater *inflater) {
  struct inflate_state *state = &inflater->state;
  const struct mark *mark = &inflater->mark;
  state->read_in = mark->read_in;
  state->read_in_length = mark->read_in_length;
  state->block_state = mark->block_state;
  state->bfinal = mark->bfinal;
  state->type0_block_len = mark->type0_block_len;
  state->tmp_in_size = mark->tmp_in_size;
  state->tmp_out_valid = mark->tmp_out_valid;
  state->write_overflow_lits = 0;
  state->write_overflow_len = 0;
  state->copy_overflow_length = 0;
  state->copy_overflow_distance = 0;
  if (state->tmp_in_size > 0) memcpy(state->tmp_in_buffer, mark->tmp_in_buffer, sizeof state->tmp_in_buffer);
  if (state->block_state != ISAL_BLOCK_CODED) return;
  memcpy(&state->lit_huff_code, &mark->lit_huff_code, sizeof state->lit_huff_code);
  memcpy(&state->dist_huff_code, &mark->dist_huff_code, sizeof state->dist_huff_code);
}

// ------------------------------------------------------------------------------------------------------ Window

static uint32_t pending(const cisal_inflater *inflater) {
  return (uint32_t)inflater->state.tmp_out_valid - inflater->taken;
}

/// Copies decoded bytes to the output, as far as there is room.
static void give(cisal_inflater *inflater, uint8_t **output, size_t *room) {
  uint32_t count = pending(inflater);
  uint32_t known = inflater->early < count ? inflater->early : count;
  inflater->taken += known;
  inflater->early -= known;
  count -= known;
  if (count > *room) count = (uint32_t)*room;
  if (count == 0) return;
  // In bounds: at most what is pending in the window, and at most the room.
  memcpy(*output, inflater->state.tmp_out_buffer + inflater->taken, count);
  inflater->taken += count;
  *output += count;
  *room -= count;
}

/// Makes room for at least 16 KB in the window, which must have nothing pending. Keeps the history. Moves at most
/// twice the bytes that were decoded since the last move.
static void make_room(cisal_inflater *inflater) {
  struct inflate_state *state = &inflater->state;
  if (state->tmp_out_valid <= ISAL_DEF_HIST_SIZE + ISAL_DEF_HIST_SIZE / 2) return;
  uint8_t *history = state->tmp_out_buffer + state->tmp_out_valid - ISAL_DEF_HIST_SIZE;
  memmove(state->tmp_out_buffer, history, ISAL_DEF_HIST_SIZE);
  state->tmp_out_valid = ISAL_DEF_HIST_SIZE;
  inflater->taken = ISAL_DEF_HIST_SIZE;
}

/// Decodes `*count` bytes until they are used up, the window is full or a final block ends. `*count` is then the
/// number of bytes left. Returns whether all was valid; if not, the only way on is to return to the mark.
static bool step(cisal_inflater *inflater, const uint8_t *bytes, size_t *count) {
  struct inflate_state *state = &inflater->state;
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

/// Continues after a final block, at the next octet and with the same history. Returns whether bits are left to read
/// there.
static bool go_on(struct inflate_state *state) {
  int32_t padding = state->read_in_length % 8;
  state->read_in >>= padding;
  state->read_in_length -= padding;
  state->bfinal = 0;
  state->block_state = ISAL_BLOCK_NEW_HDR;
  return state->read_in_length > 0;
}

// -------------------------------------------------------------------------------------------- Literals held back

/// The first literal of a table entry, or -1.
static int first_literal(uint32_t entry) {
  // Bits 28…31: the code's length; 26, 27: how many symbols; 25: there are longer codes; below: the symbols.
  if (entry >> 28 == 0 || entry >> 25 & 1) return -1;
  if ((entry >> 26 & 3) > 1) return (int)(entry & 0xFF);
  uint32_t symbol = entry & ((1u << 25) - 1);
  return symbol < 256 ? (int)symbol : -1;
}

/// Finds literals that are complete in the input but held back, because ISA-L looks up several symbols at once and
/// not all of these are complete. Writes up to 4 of them and returns how many.
static uint32_t peek(const struct inflate_state *state, uint8_t literals[4]) {
  if (state->block_state != ISAL_BLOCK_CODED) return 0;
  const uint32_t *table = state->lit_huff_code.short_code_lookup;
  const uint32_t all = (1u << ISAL_DECODE_LONG_BITS) - 1;
  uint64_t bits = state->read_in;
  int32_t left = state->read_in_length;
  uint32_t count = 0;
  while (count < 4) {
    int literal = -1;
    int32_t length = 0;
    // A code is complete once the bits after it cannot change its symbol.
    while (literal < 0 && length < left && length < ISAL_DECODE_LONG_BITS) {
      length++;
      uint32_t mask = (1u << length) - 1;
      literal = first_literal(table[bits & mask]);
      if (literal != first_literal(table[(bits & mask) | (all & ~mask)])) literal = -1;
    }
    if (literal < 0) break;
    literals[count++] = (uint8_t)literal;
    bits >>= length;
    left -= length;
  }
  return count;
}

/// Outputs the literals that are complete in the input but held back by ISA-L until more input arrives: the output
/// for a part of a message must not depend on how the message was split. Returns whether all of them were output.
static bool give_held_literals(cisal_inflater *inflater, uint8_t *output, size_t *room) {
  uint8_t literals[4];
  uint32_t count = peek(&inflater->state, literals);
  while (inflater->early < count && *room > 0) {
    *output++ = literals[inflater->early++];
    *room -= 1;
  }
  return inflater->early >= count;
}

// -------------------------------------------------------------------------------------------------------- Steps

cisal_status cisal_inflate(
  cisal_inflater *inflater, const uint8_t *input, size_t *count, uint8_t *output, size_t *room
) {
  struct inflate_state *state = &inflater->state;
  // This much of the input is passed in steps so small that they are exact. For little input inside a block, that
  // costs less than a mark.
  size_t exact = *count <= 8 * exact_input && state->block_state == ISAL_BLOCK_CODED ? *count : 0;
  for (;;) {
    give(inflater, &output, room);
    if (pending(inflater) > 0) return CISAL_NEEDS_ROOM;
    if (inflater->has_failed) return CISAL_INVALID;
    if (state->block_state == ISAL_BLOCK_INPUT_DONE || state->block_state == ISAL_BLOCK_FINISH) {
      inflater->has_bits = go_on(state);
      return inflater->has_bits ? CISAL_FINAL_BLOCK_AND_MORE : CISAL_FINAL_BLOCK;
    }
    if (*count == 0 && !inflater->has_bits && state->tmp_out_valid < window_size) break;

    make_room(inflater);
    size_t given = exact > 0 && *count > exact_input ? exact_input : *count;
    bool is_exact = given <= exact_input;
    if (!is_exact) set_mark(inflater);
    size_t left = given;
    bool is_valid = step(inflater, input, &left);
    if (!is_valid && !is_exact) {
      // After an error in its fast loop, ISA-L counts bytes that it didn't write. Repeat the step with exact steps,
      // so that the output before the error is right.
      return_to_mark(inflater);
      exact = given;
      continue;
    }
    size_t used = given - left;
    // Never observed, but the loop must end whatever ISA-L does.
    if (used == 0 && given > 0 && !inflater->has_bits && pending(inflater) == 0) is_valid = false;
    inflater->has_bits = false;
    input += used;
    *count -= used;
    exact -= exact < used ? exact : used;
    inflater->has_failed = !is_valid;
  }
  return give_held_literals(inflater, output, room) ? CISAL_NEEDS_INPUT : CISAL_NEEDS_ROOM;
}

bool cisal_inflater_is_between_blocks(const cisal_inflater *inflater) {
  const struct inflate_state *state = &inflater->state;
  return (state->block_state == ISAL_BLOCK_NEW_HDR || state->block_state == ISAL_BLOCK_HDR)
    && state->read_in_length == 0 && state->tmp_in_size == 0 && pending(inflater) == 0 && inflater->early == 0;
}

bool cisal_inflater_end_at_stored_header(cisal_inflater *inflater) {
  struct inflate_state *state = &inflater->state;
  if (state->block_state != ISAL_BLOCK_HDR || state->read_in_length < 0 || state->tmp_in_size > 2) return false;
  if (pending(inflater) > 0 || inflater->has_failed) return false;
  uint32_t count = (uint32_t)state->read_in_length;
  // One octet, and at most two bits of the one before: the header may begin before the octet.
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

#endif
