# SPDX-License-Identifier: Apache-2.0
# zoo-name: websockets
# zoo-roles: client server
# zoo-pip: websockets==17.4
# zoo-run: {python} {file}
"""websockets (Python): its asyncio client and server."""

import asyncio

import websockets
import zoo
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory


class Connection:
    def __init__(self, ws):
        self.ws = ws
        self.subprotocol = ws.subprotocol
        self.pongs = None
        self.is_client = isinstance(ws, ClientConnection)
        self.extensions = ", ".join(ws.response.headers.get_all("Sec-WebSocket-Extensions")) if self.is_client else ""

    def _payload(self, kind, data):
        return data.decode() if kind == "text" else data

    async def send(self, kind, data):
        try:
            await self.ws.send(self._payload(kind, data))
        except ConnectionClosed as closed:
            raise self._end(closed) from None

    async def send_parts(self, kind, parts, ping):
        async def each():
            for number, part in enumerate(parts):
                if number == 1 and ping:
                    self.pongs = await self.ws.ping(ping)
                    if not self.is_client:
                        asyncio.create_task(self._tell(ping))
                yield self._payload(kind, part)

        await self.ws.send(each())

    async def _tell(self, ping):
        await self.pongs
        zoo.report("pong", self.ws.request.path, ping.decode())

    async def ponged(self, payload):
        await self.pongs

    async def receive(self):
        try:
            data = await self.ws.recv()
        except ConnectionClosed as closed:
            raise self._end(closed) from None
        return ("text", data.encode()) if isinstance(data, str) else ("binary", data)

    def _end(self, closed):
        return zoo.Closed(closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else zoo.Closed(1006)

    async def close(self, code, reason):
        await self.ws.close(code, reason)
        received = self.ws.protocol.close_rcvd
        return (received.code, received.reason) if received else (1006, "")

    def reset(self):
        zoo.reset_socket(self.ws.transport.get_extra_info("socket"))
        self.ws.transport.abort()


async def client(url, offer, subprotocols):
    options = {}
    if offer == "none":
        options["compression"] = None
    elif offer != "default":
        given = zoo.offered(offer)
        options["compression"] = None
        try:
            options["extensions"] = [ClientPerMessageDeflateFactory(
                server_no_context_takeover="server" + zoo.TAKEOVER in given,
                client_no_context_takeover="client" + zoo.TAKEOVER in given,
                server_max_window_bits=given.get("server" + zoo.BITS),
                client_max_window_bits=given.get("client" + zoo.BITS),
            )]
        except ValueError as error:
            raise zoo.Cannot(error) from None
    return Connection(await connect(url, max_size=None, subprotocols=subprotocols or None, **options))


async def server(port):
    async def handler(ws):
        await zoo.converse(Connection(ws), ws.request.path)

    def choose(ws, subprotocols):
        return zoo.SUBPROTOCOL if zoo.SUBPROTOCOL in subprotocols else None

    async with serve(
        handler, "127.0.0.1", port, max_size=None, subprotocols=[zoo.SUBPROTOCOL], select_subprotocol=choose,
        compression=None, extensions=[ServerPerMessageDeflateFactory()],
    ):
        await asyncio.Future()


if __name__ == "__main__":
    zoo.main(f"websockets {websockets.__version__}", client, server)
