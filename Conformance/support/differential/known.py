# SPDX-License-Identifier: Apache-2.0
from .explained import entry, kind
