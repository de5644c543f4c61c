# SPDX-License-Identifier: Apache-2.0
"""One conversation of `websockets` with itself, or with another server: conversation.py KIND HOST PORT OUTPUT [--client].

Writes what was sent as JSON: direction, opcode, size and SHA-256 of each message.
"""

import asyncio
import hashlib
import json
import random
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)

KIND, HOST, PORT, OUTPUT = sys.argv[1:5]
sent = []


def note(direction, message):
    data = message.encode() if isinstance(message, str) else message
    sent.append({
        "direction": direction,
        "opcode": 1 if isinstance(message, str) else 2,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    })


async def echo(connection):
    async for message in connection:
        await connection.send(message)


def messages():
    chance = random.Random(KIND)
    words = ["alpha", "beta", "γάμμα", "дельта", "語", "😀", "zero", "\t"]
    for size in (0, 1, 5, 124, 125, 126, 127, 1000, 65535, 65536, 70000, 200000):
        yield "x" * size
        yield chance.randbytes(size)
        text = ""
        while len(text) < size // 4:
            text += chance.choice(words)
        yield text


async def converse(connection):
    for message in messages():
        note("client", message)
        await connection.send(message)
        answer = await connection.recv()
        note("server", answer)
    for parts in (["frag", "", "mented é", "!"], [b"\x00\x01", b"\x02" * 300, b""]):
        whole = "".join(parts) if isinstance(parts[0], str) else b"".join(parts)
        note("client", whole)
        await connection.send(parts)
        note("server", await connection.recv())
    await (await connection.ping(b"are you there"))
    await connection.close(1000, "bye")


def extensions():
    if KIND == "plain":
        return None, None
    takeover = KIND != "no-takeover"
    bits = 9 if KIND == "small-window" else None
    client = ClientPerMessageDeflateFactory(
        server_no_context_takeover=not takeover, client_no_context_takeover=not takeover,
        server_max_window_bits=bits, client_max_window_bits=bits or True,
    )
    return [client], [ServerPerMessageDeflateFactory()]


async def main():
    offered, accepted = extensions()
    url = f"ws://{f'[{HOST}]' if ':' in HOST else HOST}:{PORT}/"
    options = {"compression": None, "max_size": None}
    if "--client" in sys.argv:
        async with connect(url, extensions=offered, **options) as connection:
            await converse(connection)
    else:
        async with serve(echo, HOST, int(PORT), extensions=accepted, **options):
            async with connect(url, extensions=offered, **options) as connection:
                await converse(connection)
    with open(OUTPUT, "w", encoding="utf-8") as file:
        json.dump(sent, file)


asyncio.run(main())
