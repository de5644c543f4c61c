# SPDX-License-Identifier: Apache-2.0
"""What WSProtoNIO has no call for, by kind of meeting (of matrix.KINDS) and item: its cells are `-`, with this reason."""

_PARTS = "WSProtoNIO sends whole messages"
_LIMITS = "WebSocketServerOptions has no parameters of permessage-deflate by request"
_SERVER = {"fragments-out": _PARTS, "ping-out": _PARTS, "deflate-limits": _LIMITS}
_CLIENT = {"fragments-out": _PARTS, "ping-out": _PARTS}

CANNOT = {
    "server": _SERVER,
    "behind": _SERVER,
    "client": _CLIENT,
    # Where both ends are ours, what comes in goes out at the other.
    "both": {**_CLIENT, "fragments-in": _PARTS, "ping-in": _PARTS},
}
