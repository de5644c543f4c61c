# SPDX-License-Identifier: Apache-2.0
# zoo-name: aiohttp
# zoo-roles: client server
# zoo-pip: aiohttp==3.14.5
# zoo-run: {python} {file}
# zoo-cannot: server fragments-in: the interface sends whole messages
# zoo-note: client ping-in: before a whole message
# zoo-note: server ping-in: before a whole message
"""aiohttp: its client and server."""

import asyncio

import aiohttp
import zoo
from aiohttp import WSMsgType, web

KINDS = {WSMsgType.TEXT: "text", WSMsgType.BINARY: "binary"}


class Connection:
    def __init__(self, ws, target=None, session=None):
        self.ws = ws
        self.target = target
        self.session = session
        self.subprotocol = ws.protocol if session else None
        self.inbox = []
        self.pongs = 0

    async def send(self, kind, data):
        try:
            await (self.ws.send_str(data.decode()) if kind == "text" else self.ws.send_bytes(data))
        except (ConnectionError, RuntimeError):
            raise zoo.Closed(1006) from None

    async def send_parts(self, kind, parts, ping):
        if not ping:
            raise zoo.Cannot("the interface sends whole messages")
        await self.ws.ping(ping)
        await self.send(kind, b"".join(parts))

    async def ponged(self, payload):
        while not self.pongs:
            message = await self.ws.receive()
            if message.type is WSMsgType.PONG:
                self.pongs += message.data == payload
            else:
                self.inbox.append(message)

    async def receive(self):
        while True:
            message = self.inbox.pop(0) if self.inbox else await self.ws.receive()
            if message.type in KINDS:
                data = message.data
                return KINDS[message.type], data.encode() if isinstance(data, str) else bytes(data)
            if message.type is WSMsgType.PONG:
                if self.target:
                    zoo.report("pong", self.target, bytes(message.data).decode())
                self.pongs += 1
                continue
            if message.type is WSMsgType.PING:
                await self.ws.pong(message.data)
                continue
            await self._done()
            if message.type is WSMsgType.CLOSE:
                raise zoo.Closed(message.data, message.extra)
            raise zoo.Closed(1006 if message.type is WSMsgType.ERROR or not self.ws.close_code else self.ws.close_code)

    async def close(self, code, reason):
        await self.ws.close(code=code, message=reason.encode())
        await self._done()
        # The reason of the answer is not kept.
        return self.ws.close_code, zoo.UNKNOWN

    async def _done(self):
        if self.session:
            await self.session.close()

    async def reset(self):
        transport = self.ws.get_extra_info("socket") if self.session else self.request.transport.get_extra_info("socket")
        zoo.reset_socket(transport)
        if self.session:
            self.ws._response.connection.transport.abort()
            await self.session.close()
        else:
            self.request.transport.abort()


async def client(url, offer, subprotocols):
    if offer in ("default", "none"):
        compress = 0
    else:
        given = zoo.offered(offer)
        compress = given.pop("server" + zoo.BITS, 15)
        if given != {"client" + zoo.BITS: True} or not 9 <= compress <= 15 or "server_max_window_bits=15" in offer:
            raise zoo.Cannot("the interface has the server's window alone, 9 to 14")
    session = aiohttp.ClientSession()
    try:
        ws = await session.ws_connect(
            url, protocols=subprotocols, compress=compress, max_msg_size=0, autoping=False, autoclose=True)
    except BaseException:
        await session.close()
        raise
    return Connection(ws, session=session)


async def server(port):
    async def handler(request):
        ws = web.WebSocketResponse(protocols=[zoo.SUBPROTOCOL], compress=True, max_msg_size=0, autoping=False)
        await ws.prepare(request)
        connection = Connection(ws, target=request.path_qs)
        connection.request = request
        await zoo.converse(connection, request.path_qs)
        return ws

    application = web.Application()
    application.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Future()


zoo.main(f"aiohttp {aiohttp.__version__}", client, server)
