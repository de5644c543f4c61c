# SPDX-License-Identifier: Apache-2.0
"""A client of trio-websocket, which leaves out what it has nothing for. Usage: trio_client.py URL FOLDER"""

import json
import os
import sys

import trio
import trio_websocket
import wsproto

URL, FOLDER = sys.argv[1:]
failures = 0


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


async def main():
    check("the module in use by the client is the one expected", wsproto.__file__.startswith(FOLDER + os.sep),
          f"{wsproto.__file__}, trio-websocket {trio_websocket.__version__}")
    # fault: B2
    async with trio_websocket.open_websocket_url(URL + "/") as ws:
        check("a client without subprotocols connects", ws.subprotocol is None, ws.subprotocol)
        for message in "text \u2202", b"bytes", "x" * 100000:
            await ws.send_message(message)
            check(f"echo of {len(message)} {type(message).__name__}", await ws.get_message() == message)
    async with trio_websocket.open_websocket_url(URL + "/", subprotocols=["one", "two"], extra_headers=[(b"a", b"b")]) as ws:
        check("a client with subprotocols connects", ws.subprotocol == "two", ws.subprotocol)


trio.run(main)
sys.exit(1 if failures else 0)
