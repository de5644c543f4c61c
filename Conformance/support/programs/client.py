# SPDX-License-Identifier: Apache-2.0
"""Talks to a server through the `websockets` library and checks what comes back.

Usage: client.py URL FOLDER - FOLDER is where the server's wsproto must come from. Prints one line per check.
"""

import asyncio
import json
import os
import random
import sys
import urllib.parse

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

URL, FOLDER = sys.argv[1:]
failures = 0


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


def open_at(path, **options):
    return connect(URL + path, proxy=None, ping_interval=None, max_size=None, close_timeout=10, **options)


async def echo(ws, name, message, expected=None):
    expected = message if expected is None else expected
    await ws.send(message)
    answer = await asyncio.wait_for(ws.recv(), 30)
    check(name, type(answer) is type(expected) and answer == expected, f"{len(answer)} received")


async def main():
    random.seed(20240101)
    async with open_at("/module") as ws:
        module = await ws.recv()
        check("the module in use is the one expected", module.startswith(FOLDER + os.sep), module)
    for compression in (None, "deflate"):
        label = f" (compression offered: {compression})"
        async with open_at("/", compression=compression) as ws:
            print(json.dumps({"note": "extensions" + label, "detail": [e.name for e in ws.protocol.extensions]}))
            await echo(ws, "text" + label, "Grüße, 世界 👋")
            await echo(ws, "empty text" + label, "")
            await echo(ws, "binary" + label, bytes(range(256)))
            await echo(ws, "1 MiB binary, random" + label, random.randbytes(1 << 20))
            await echo(ws, "1 MiB text, repetitive" + label, "søren " * 149797)
            parts = ["début ", "mi", "", "lieu ∂", " fin"]
            await echo(ws, "fragmented text" + label, parts, "".join(parts))
            chunks = [random.randbytes(size) for size in (1, 125, 126, 65535, 65536, 0, 7)]
            await echo(ws, "fragmented binary" + label, chunks, b"".join(chunks))
            pong = await ws.ping(b"are you there")
            latency = await asyncio.wait_for(pong, 10)
            check("ping is answered" + label, latency >= 0)
            await echo(ws, "text after the ping" + label, "still here")
    for code in (1000, 1001, 3000, 4999):
        ws = await open_at("/")
        await ws.close(code, "bye ∂")
        check(f"close {code} from the client is echoed", ws.close_code == code, ws.close_code)
    for code, reason in ((1000, "done"), (1011, "oops"), (4001, "à bientôt 👋")):
        async with open_at(f"/close?code={code}&reason={urllib.parse.quote(reason)}") as ws:
            try:
                await asyncio.wait_for(ws.recv(), 10)
            except ConnectionClosed:
                pass
            check(f"close {code} from the server", (ws.close_code, ws.close_reason) == (code, reason),
                  f"{ws.close_code} {ws.close_reason}")
    async with open_at("/", subprotocols=["one", "two"]) as ws:
        check("subprotocol", ws.subprotocol == "two", ws.subprotocol)
    try:
        async with open_at("/refuse"):
            check("refusal", False, "accepted")
    except InvalidStatus as refused:
        check("refusal", refused.response.status_code == 403, refused.response.status_code)
    many = [open_at("/") for _ in range(20)]
    sockets = await asyncio.gather(*(one.__aenter__() for one in many))
    for number, ws in enumerate(sockets):
        await ws.send(f"number {number}")
    answers = [await asyncio.wait_for(ws.recv(), 10) for ws in sockets]
    check("20 connections at once", answers == [f"number {number}" for number in range(20)])
    await asyncio.gather(*(ws.close() for ws in sockets))


asyncio.run(main())
sys.exit(1 if failures else 0)
