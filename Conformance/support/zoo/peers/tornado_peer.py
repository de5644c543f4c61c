# SPDX-License-Identifier: Apache-2.0
# zoo-name: tornado
# zoo-roles: client server
# zoo-pip: tornado==6.6.1
# zoo-run: {python} {file}
# zoo-cannot: server fragments-in: the interface sends whole messages
# zoo-note: client ping-in: before a whole message
# zoo-note: server ping-in: before a whole message
"""tornado: its client and server."""

import asyncio

import tornado
import tornado.web
import zoo
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, WebSocketHandler, websocket_connect

DEFLATE = {"client" + zoo.BITS: True}


class Adapter:
    """`ws` is a client's connection or a server's handler."""

    def __init__(self, ws, stream):
        self.ws = ws
        self.stream = stream
        self.inbox = asyncio.Queue()
        self.pong = asyncio.Event()

    async def send(self, kind, data):
        try:
            await self.ws.write_message(data, binary=kind == "binary")
        except WebSocketClosedError:
            raise zoo.Closed(1006) from None

    async def send_parts(self, kind, parts, ping):
        if not ping:
            raise zoo.Cannot("the interface sends whole messages")
        self.ws.ping(ping)
        await self.send(kind, b"".join(parts))

    async def ponged(self, payload):
        await self.pong.wait()

    async def receive(self):
        message = await self.inbox.get()
        if message is None:
            raise zoo.Closed(self.ws.close_code, self.ws.close_reason)
        return ("text", message.encode()) if isinstance(message, str) else ("binary", message)

    async def close(self, code, reason):
        self.ws.close(code, reason)
        while await self.inbox.get() is not None:
            pass
        return self.ws.close_code or 1006, self.ws.close_reason or ""

    def reset(self):
        zoo.reset_socket(self.stream().socket)
        self.stream().close()


class Client(Adapter):
    def __init__(self, ws):
        super().__init__(ws, lambda: ws.stream)
        self.subprotocol = ws.selected_subprotocol
        self.extensions = ws.headers.get("Sec-WebSocket-Extensions", "")

    async def receive(self):
        self.inbox.put_nowait(await self.ws.read_message())
        return await super().receive()

    async def close(self, code, reason):
        self.ws.close(code, reason)
        while await self.ws.read_message() is not None:
            pass
        return self.ws.close_code or 1006, self.ws.close_reason or ""

    async def ponged(self, payload):
        while not getattr(self.ws, "ponged", False):
            await asyncio.sleep(0.01)


def on_pong(ws, data):
    ws.ponged = data == b"zoo"


WebSocketClientConnection.on_pong = on_pong


async def client(url, offer, subprotocols):
    if offer not in ("default", "none") and zoo.offered(offer) != DEFLATE:
        raise zoo.Cannot("the interface has one offer")
    options = None if offer == "none" else {}
    return Client(await websocket_connect(url, compression_options=options, subprotocols=subprotocols or None))


class Handler(WebSocketHandler):
    def get_compression_options(self):
        return {}

    def select_subprotocol(self, subprotocols):
        return zoo.SUBPROTOCOL if zoo.SUBPROTOCOL in subprotocols else None

    def check_origin(self, origin):
        return True

    def open(self, *arguments):
        self.adapter = Adapter(self, lambda: self.ws_connection.stream)
        self.task = asyncio.create_task(zoo.converse(self.adapter, self.request.uri))

    def on_message(self, message):
        self.adapter.inbox.put_nowait(message)

    def on_pong(self, data):
        zoo.report("pong", self.request.uri, data.decode())

    def on_close(self):
        self.adapter.inbox.put_nowait(None)


async def server(port):
    tornado.web.Application([("/.*", Handler)]).listen(port, "127.0.0.1")
    await asyncio.Future()


zoo.main(f"tornado {tornado.version}", client, server)
