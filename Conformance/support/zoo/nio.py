# SPDX-License-Identifier: Apache-2.0
"""What WSProtoNIO has no call for, by kind of meeting (of matrix.KINDS) and item: its cells are `-`, with this reason."""

_LIMITS = {"deflate-limits": "WebSocketServerOptions has no parameters of permessage-deflate by request"}

CANNOT = {"server": _LIMITS, "behind": _LIMITS, "client": {}, "both": {}}
