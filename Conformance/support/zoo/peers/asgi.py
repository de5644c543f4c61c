# SPDX-License-Identifier: Apache-2.0
"""The application that the ASGI servers serve."""

import zoo


class Connection:
    def __init__(self, receive, send):
        self._receive = receive
        self._send = send

    async def send(self, kind, data):
        value = {"text": data.decode()} if kind == "text" else {"bytes": data}
        await self._send({"type": "websocket.send", **value})

    async def receive(self):
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise zoo.Closed(event.get("code", 1005), event.get("reason"))
        if event.get("text") is not None:
            return "text", event["text"].encode()
        return "binary", event["bytes"]

    async def close(self, code, reason):
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        # ASGI does not tell what the client answered.
        return zoo.UNKNOWN, zoo.UNKNOWN


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    target = scope["path"] + "?" + scope["query_string"].decode()
    await receive()
    chosen = zoo.SUBPROTOCOL if zoo.SUBPROTOCOL in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen})
    await zoo.converse(Connection(receive, send), target)
