# SPDX-License-Identifier: Apache-2.0
"""The peer of websockets_peer.py with one fault planted, named by the first argument: what `zoo --prove` needs.

It has no roles, so it is none of the zoo's peers.
"""

import os
import sys

import websockets_peer
import zoo

FAULT = sys.argv.pop(1)


class Connection(websockets_peer.Connection):
    """Everything that a fault does not touch is as it should be."""

    async def send(self, kind, data):
        if FAULT == "mangled":
            data = data[:-1] + bytes([data[-1] ^ 1]) if data else data
        if FAULT == "kind":
            kind = "binary"
        await super().send(kind, data)

    async def send_parts(self, kind, parts, ping):
        if FAULT == "cut":
            parts = parts[:-1]
        await super().send_parts(kind, parts, None if FAULT == "unpinged" else ping)

    async def receive(self):
        try:
            received = await super().receive()
        except zoo.Closed as end:
            if FAULT == "deaf":
                raise zoo.Closed(1006) from None
            if FAULT == "blind" and end.code == 1006:
                raise zoo.Closed(1000) from None
            raise
        if FAULT == "dead":
            os._exit(1)
        return received

    async def close(self, code, reason):
        return await super().close(1002 if FAULT == "code" else code, "" if FAULT == "reason" else reason)

    async def reset(self):
        if FAULT == "orderly":
            await self.close(1000, "")
        else:
            super().reset()


async def client(url, offer, subprotocols):
    if FAULT == "unnamed":
        subprotocols = []
    if FAULT == "uncompressed":
        offer = "none"
    return await websockets_peer.client(url, offer, subprotocols)


if FAULT == "unnamed":
    zoo.SUBPROTOCOL = "another"
if FAULT == "uncompressed":
    # A server's list of extensions may be empty; its factories may not be.
    serve = websockets_peer.serve
    websockets_peer.serve = lambda *arguments, **options: serve(*arguments, **{**options, "extensions": None})
websockets_peer.Connection = Connection
zoo.main("with a fault", client, websockets_peer.server)
