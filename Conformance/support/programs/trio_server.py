# SPDX-License-Identifier: Apache-2.0
"""trio-websocket's echo server, with the paths that the checks need. Usage: trio_server.py PORT"""

import os
import sys
import urllib.parse

import trio
import wsproto
from trio_websocket import ConnectionClosed, serve_websocket


async def handle(request):
    path, _, query = request.path.partition("?")
    if path == "/refuse":
        await request.reject(403)
        return
    offered = request.proposed_subprotocols
    ws = await request.accept(subprotocol=offered[-1] if offered else None)
    if path == "/module":
        await ws.send_message(os.path.abspath(wsproto.__file__))
    if path == "/close":
        fields = urllib.parse.parse_qs(query)
        await ws.aclose(code=int(fields["code"][0]), reason=fields["reason"][0])
        return
    try:
        while True:
            await ws.send_message(await ws.get_message())
    except ConnectionClosed as closed:
        code = closed.reason.code
        print("disconnect", int(code.value if hasattr(code, "value") else code), flush=True)


trio.run(serve_websocket, handle, "127.0.0.1", int(sys.argv[1]), None)
