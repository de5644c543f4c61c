// SPDX-License-Identifier: Apache-2.0
// Includes ISA-L if it is enabled and installed, and checks what this code assumes about it.
#ifndef CISAL_LIBRARY_H
#define CISAL_LIBRARY_H

#include "CISAL.h"

#if defined(CISAL_ENABLED) && __has_include(<isa-l/igzip_lib.h>)
#define CISAL_AVAILABLE 1

#include <isa-l.h>
#include <stdlib.h>
#include <string.h>

// This code reads and writes ISA-L's states and depends on the format of its tables. Both are identical in the
// sources of 2.30, 2.31 and 2.32; it was tested with 2.30 on x86-64. Other versions may differ in ways that the
// assertions below can't detect, so they must be reviewed first.
_Static_assert(
  ISAL_VERSION >= ISAL_MAKE_VERSION(2, 30, 0) && ISAL_VERSION < ISAL_MAKE_VERSION(2, 33, 0),
  "this version of ISA-L has not been compared with what CISAL knows of its states: 2.30 to 2.32 have"
);

_Static_assert(sizeof(void *) == 8, "the layouts below are those of 64 bits");
_Static_assert(offsetof(struct inflate_state, read_in) == 24, "inflate_state");
_Static_assert(offsetof(struct inflate_state, read_in_length) == 36, "inflate_state");
_Static_assert(offsetof(struct inflate_state, lit_huff_code) == 40, "inflate_state");
_Static_assert(offsetof(struct inflate_state, dist_huff_code) == 18952, "inflate_state");
_Static_assert(offsetof(struct inflate_state, block_state) == 21160, "inflate_state");
_Static_assert(offsetof(struct inflate_state, type0_block_len) == 21184, "inflate_state");
_Static_assert(offsetof(struct inflate_state, copy_overflow_distance) == 21200, "inflate_state");
_Static_assert(offsetof(struct inflate_state, tmp_in_size) == 21206, "inflate_state");
_Static_assert(offsetof(struct inflate_state, tmp_out_valid) == 21208, "inflate_state");
_Static_assert(offsetof(struct inflate_state, tmp_in_buffer) == 21216, "inflate_state");
_Static_assert(offsetof(struct inflate_state, tmp_out_buffer) == 21544, "inflate_state");
_Static_assert(sizeof(struct inflate_state) == 87368, "inflate_state");
_Static_assert(ISAL_DEF_HIST_SIZE == 32768 && ISAL_DEF_MAX_HDR_SIZE == 328, "inflate_state");
_Static_assert(ISAL_DECODE_LONG_BITS == 12, "the table for literals and lengths");
_Static_assert(
  sizeof(((struct inflate_state *)0)->lit_huff_code.short_code_lookup) == sizeof(uint32_t) << ISAL_DECODE_LONG_BITS,
  "the table for literals and lengths"
);

_Static_assert(offsetof(struct isal_zstream, internal_state) == 64, "isal_zstream");
_Static_assert(offsetof(struct isal_zstate, state) == 20, "isal_zstate");
_Static_assert(offsetof(struct isal_zstate, bitbuf) == 24, "isal_zstate");
_Static_assert(offsetof(struct isal_zstate, has_hist) == 71, "isal_zstate");
_Static_assert(offsetof(struct isal_zstate, b_bytes_valid) == 104, "isal_zstate");
_Static_assert(offsetof(struct isal_zstate, b_bytes_processed) == 108, "isal_zstate");
_Static_assert(offsetof(struct isal_zstate, buffer) == 112, "isal_zstate");
_Static_assert(sizeof(struct isal_zstream) == 82384, "isal_zstream");

#elif defined(CISAL_ENABLED)
// Not an error, because tools that generate documentation turn on all traits.
#pragma message "ISA-L is not installed (Debian's libisal-dev): permessage-deflate uses zlib"
#endif
#endif
