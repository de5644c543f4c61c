// SPDX-License-Identifier: Apache-2.0
#ifndef CWSPROTO_KERNELS_H
#define CWSPROTO_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#endif
