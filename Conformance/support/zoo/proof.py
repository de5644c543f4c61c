# SPDX-License-Identifier: Apache-2.0
"""That the items can fail: a peer with one fault changes these cells, by what it stands against, and no others."""

import os

from . import registry

SIZES = ["125", "126", "65535", "65536", "1MiB"]
ECHOES = ["text4", "empty", *SIZES, "unread", "subprotocol", "deflate"]
CLOSES = ("close-1000", "close-1001", "close-3000", "close-4999")
IN = [f"{close}-in" for close in CLOSES]
OUT = [f"{close}-out" for close in CLOSES]

#: Fault: (what it changes for our server, for our client).
FAULTS = {
    "mangled": (
        # What a client closes a connection with is a message too.
        [*ECHOES, *OUT, "fragments-out", "ping-out", "reset-in", "deflate-limits"],
        [*ECHOES, "fragments-out", "ping-out", "reset-out"],
    ),
    "kind": (
        [item for item in ECHOES if item != "unread"] + [*OUT, "fragments-out", "ping-out", "reset-in", "deflate-limits"],
        [item for item in ECHOES if item != "unread"] + ["fragments-out", "ping-out", "reset-out"],
    ),
    "cut": (["fragments-in", "ping-in"], ["fragments-in", "ping-in"]),
    "unpinged": (["ping-in"], ["ping-in"]),
    "deaf": (OUT, OUT),
    "blind": (["reset-out"], ["reset-out"]),
    # It dies of its first message, which looks like a reset.
    "dead": (
        [*ECHOES, "fragments-in", "fragments-out", "ping-in", "ping-out", "reset-in", "deflate-limits"],
        [*ECHOES, *IN, "fragments-in", "fragments-out", "ping-in", "ping-out", "reset-out"],
    ),
    "code": (IN, IN),
    "reason": (IN, IN),
    "orderly": (["reset-in"], ["reset-in"]),
    "unnamed": (["subprotocol"], ["subprotocol"]),
    "uncompressed": (["deflate", "deflate-limits"], ["deflate"]),
}


class Faulty(registry.Prepared):
    """The faulty peer in place of one that was prepared."""

    def __init__(self, sound, fault):
        self.__dict__.update(sound.__dict__)
        self._run = [sound._values["python"], os.path.join(registry.PEERS, "faulty.py"), fault]

    def command(self, *arguments):
        return self._run + list(map(str, arguments))
