# SPDX-License-Identifier: Apache-2.0
"""Types of wsproto."""

from typing import List, Tuple

Headers = List[Tuple[bytes, bytes]]
