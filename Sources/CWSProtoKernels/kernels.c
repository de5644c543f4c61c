// SPDX-License-Identifier: Apache-2.0
#include "CWSProtoKernels.h"

typedef int cwsproto_translation_unit_is_not_empty;
