// SPDX-License-Identifier: Apache-2.0
// Swift can't import zlib's macros that pass the size of a struct, so ZStream passes the size itself.
#include <zlib.h>
