# SPDX-License-Identifier: Apache-2.0
"""More than aioquic's example client does, with its classes as they are: http3_client.py is imported from its sdist.

Usage: examples_client.py EXAMPLES CERTIFICATE PORT FOLDER - FOLDER is where wsproto must come from. Prints one line per
check.
"""

import asyncio
import json
import os
import sys

EXAMPLES, CERTIFICATE, PORT, FOLDER = sys.argv[1:]
sys.path.insert(0, EXAMPLES)

import http3_client
import wsproto
from aioquic.asyncio.client import connect
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import QuicConfiguration

failures = 0


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


async def echo(ws, message, name):
    await ws.send(message)
    # The example hands on the parts of a message as they come.
    answer = ""
    while len(answer) < len(message):
        answer += await asyncio.wait_for(ws.recv(), 30)
    check(name, answer == message, f"{len(answer)} characters")


async def main():
    check("the module in use is the one expected", wsproto.__file__.startswith(FOLDER + os.sep), wsproto.__file__)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN)
    configuration.load_verify_locations(CERTIFICATE)
    async with connect(
        "localhost", int(PORT), configuration=configuration, create_protocol=http3_client.HttpClient,
    ) as client:
        url = f"wss://localhost:{PORT}/ws"
        sockets = [await client.websocket(url, subprotocols=["chat", "superchat"]), await client.websocket(url)]
        for number, ws in enumerate(sockets):
            await echo(ws, "Gr\u00fc\u00dfe \u4e16\u754c \U0001f44b", f"stream {number}: text")
            await echo(ws, "s\u00f8ren " * 10000, f"stream {number}: 70 KB of text")
        check("the subprotocol that was asked for", sockets[0].subprotocol == "chat", sockets[0].subprotocol)
        check("no subprotocol where none was asked for", sockets[1].subprotocol is None, sockets[1].subprotocol)
        for number in range(50):
            await sockets[number % 2].send(f"message {number}")
        answers = [[await asyncio.wait_for(ws.recv(), 30) for _ in range(25)] for ws in sockets]
        check("50 messages on two streams of one connection",
              answers == [[f"message {number}" for number in range(first, 50, 2)] for first in (0, 1)])
        for ws in sockets:
            await ws.close()
        client.close()


asyncio.run(main())
sys.exit(1 if failures else 0)
