# SPDX-License-Identifier: Apache-2.0
# zoo-name: autobahn
# zoo-roles: client server
# zoo-pip: autobahn==26.10.2
# zoo-run: {python} {file}
# zoo-cannot: client close-1001-in: the interface closes with 1000 and 3000 to 4999
# zoo-cannot: server close-1001-in: the interface closes with 1000 and 3000 to 4999
"""autobahn-python on asyncio: its client and server."""

import asyncio

import autobahn
import zoo
from autobahn.asyncio.websocket import (
    WebSocketClientFactory, WebSocketClientProtocol, WebSocketServerFactory, WebSocketServerProtocol,
)
from autobahn.websocket.compress import (
    PerMessageDeflateOffer, PerMessageDeflateOfferAccept, PerMessageDeflateResponse, PerMessageDeflateResponseAccept,
)


class Connection:
    """What both protocols add."""

    target = None

    def prepare(self):
        self.inbox = asyncio.Queue()
        self.pong = asyncio.Event()
        self.opened = asyncio.get_running_loop().create_future()

    def onMessage(self, payload, isBinary):
        self.inbox.put_nowait(("binary" if isBinary else "text", payload))

    def onPong(self, payload):
        self.pong.set()
        if self.target:
            zoo.report("pong", self.target, payload.decode())

    def onClose(self, wasClean, code, reason):
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(reason))
        code = self.remoteCloseCode or (1005 if wasClean else 1006)
        self.inbox.put_nowait(zoo.Closed(code, self.remoteCloseReason))

    def send(self, kind, data):
        self.sendMessage(data, kind == "binary")

    def send_parts(self, kind, parts, ping):
        self.beginMessage(kind == "binary")
        for number, part in enumerate(parts):
            if number == 1 and ping:
                self.sendPing(ping)
            self.sendMessageFrame(part)
        self.endMessage()

    async def ponged(self, payload):
        await self.pong.wait()

    async def receive(self):
        got = await self.inbox.get()
        if isinstance(got, zoo.Closed):
            raise got
        return got

    async def close(self, code, reason):
        self.sendClose(code, reason)
        while True:
            try:
                await self.receive()
            except zoo.Closed as end:
                return end.code, end.reason

    def reset(self):
        zoo.reset_socket(self.transport.get_extra_info("socket"))
        self.transport.abort()


class Client(Connection, WebSocketClientProtocol):
    extensions = ""

    def onConnect(self, response):
        self.subprotocol = response.protocol
        self.extensions = response.headers.get("sec-websocket-extensions", "")

    def onOpen(self):
        self.opened.set_result(None)


async def client(url, offer, subprotocols):
    factory = WebSocketClientFactory(url, protocols=subprotocols)
    factory.protocol = Client
    factory.setProtocolOptions(openHandshakeTimeout=10, maxFramePayloadSize=0, maxMessagePayloadSize=0)
    if offer != "none":
        given = {} if offer == "default" else zoo.offered(offer)
        if offer == "default":
            made = PerMessageDeflateOffer()
        else:
            if given.get("client" + zoo.BITS, True) is not True:
                raise zoo.Cannot("the interface offers the client's window without a value")
            try:
                made = PerMessageDeflateOffer(
                    accept_no_context_takeover="client" + zoo.TAKEOVER in given,
                    accept_max_window_bits="client" + zoo.BITS in given,
                    request_no_context_takeover="server" + zoo.TAKEOVER in given,
                    request_max_window_bits=given.get("server" + zoo.BITS, 0),
                )
            except Exception as error:
                raise zoo.Cannot(error) from None

        def accept(response):
            if isinstance(response, PerMessageDeflateResponse):
                return PerMessageDeflateResponseAccept(response)

        factory.setProtocolOptions(perMessageCompressionOffers=[made], perMessageCompressionAccept=accept)
    _, connection = await asyncio.get_running_loop().create_connection(factory_of(factory), "127.0.0.1", factory.port)
    await connection.opened
    return connection


def factory_of(factory):
    def make():
        protocol = factory()
        protocol.prepare()
        return protocol
    return make


class Server(Connection, WebSocketServerProtocol):
    def onConnect(self, request):
        self.target = self.http_request_uri
        return zoo.SUBPROTOCOL if zoo.SUBPROTOCOL in request.protocols else None

    def onOpen(self):
        self.opened.set_result(None)
        self.task = asyncio.create_task(zoo.converse(self, self.target))


async def server(port):
    def accept(offers):
        for offer in offers:
            if isinstance(offer, PerMessageDeflateOffer):
                return PerMessageDeflateOfferAccept(offer)

    factory = WebSocketServerFactory(f"ws://127.0.0.1:{port}", protocols=[zoo.SUBPROTOCOL])
    factory.protocol = Server
    factory.setProtocolOptions(perMessageCompressionAccept=accept, maxFramePayloadSize=0, maxMessagePayloadSize=0)
    await asyncio.get_running_loop().create_server(factory_of(factory), "127.0.0.1", port)
    await asyncio.Future()


zoo.main(f"autobahn {autobahn.__version__}", client, server)
