# SPDX-License-Identifier: Apache-2.0
"""ASGI application for `uvicorn --ws wsproto`: echo, and two paths that the checks need."""

import os
import urllib.parse

import wsproto


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    assert (await receive())["type"] == "websocket.connect"
    offered = scope["subprotocols"]
    if scope["path"] == "/refuse":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None})
    if scope["path"] == "/module":
        await send({"type": "websocket.send", "text": os.path.abspath(wsproto.__file__)})
    if scope["path"] == "/close":
        query = urllib.parse.parse_qs(scope["query_string"].decode())
        await send({"type": "websocket.close", "code": int(query["code"][0]), "reason": query["reason"][0]})
        return
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            print("disconnect", event["code"], flush=True)
            return
        if event.get("text") is not None:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})
