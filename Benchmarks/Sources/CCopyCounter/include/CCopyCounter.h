// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

/// Bytes that memcpy, memmove and the library's own kernel, which masks on the way, have moved in this process so far, by calls
/// of 32 bytes or more: less is done in registers mostly, and would be counted or not as the compiler pleases.
uint64_t wsb_bytes_copied(void);
