# SPDX-License-Identifier: Apache-2.0
"""Sends a large message and expects its echo, or that it is refused as too big.

Usage: large_client.py URL BYTES echoed|refused
"""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

URL, SIZE, EXPECTED = sys.argv[1], int(sys.argv[2]), sys.argv[3]


async def outcome(message):
    async with connect(URL, proxy=None, max_size=None, ping_interval=None, compression=None) as ws:
        try:
            await ws.send(message)
            answer = await asyncio.wait_for(ws.recv(), 100)
        except ConnectionClosed as closed:
            return f"closed with {closed.rcvd.code if closed.rcvd else None}"
        return "echoed" if answer == (message if isinstance(message, bytes) else b"".join(message)) else "changed"


async def main():
    # fault: B4
    wanted = "echoed" if EXPECTED == "echoed" else "closed with 1009"
    failures = 0
    for name, message in ("one frame", bytes(SIZE)), ("sixteen frames", [bytes(SIZE // 16)] * 15 + [bytes(SIZE - SIZE // 16 * 15)]):
        found = await outcome(message)
        failures += found != wanted
        print(json.dumps({"check": f"{SIZE} bytes in {name} are {EXPECTED}", "ok": found == wanted, "detail": found}))
    return failures


sys.exit(1 if asyncio.run(main()) else 0)
