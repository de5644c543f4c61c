# SPDX-License-Identifier: Apache-2.0
"""What WSProtoNIO has no call for, by our role and item: its cells are `-`, with this reason."""

_PARTS = "WSProtoNIO sends whole messages"
_LIMITS = "WebSocketServerOptions has no parameters of permessage-deflate by request"

CANNOT = {
    ("server", "fragments-out"): _PARTS,
    ("server", "ping-out"): _PARTS,
    ("client", "fragments-out"): _PARTS,
    ("client", "ping-out"): _PARTS,
    ("server", "deflate-limits"): _LIMITS,
}
