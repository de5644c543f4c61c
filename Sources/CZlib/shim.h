// SPDX-License-Identifier: Apache-2.0
// zlib's macros that take a size of a struct don't reach Swift; DeflateStream passes the size itself.
#include <zlib.h>
