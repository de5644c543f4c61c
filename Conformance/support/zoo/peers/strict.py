# SPDX-License-Identifier: Apache-2.0
# zoo-name: strict offer
# zoo-roles: server
# zoo-pip: websockets==17.4
# zoo-run: {python} {file}
# zoo-items: text4 empty 1MiB fragments-out
"""A server that refuses each offer which browsers do not make: any parameter but the flags and a bare window."""

import asyncio

import websockets
import zoo
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets_peer import Connection

KNOWN = {"client" + zoo.TAKEOVER: True, "server" + zoo.TAKEOVER: True, "client" + zoo.BITS: True}


async def server(port):
    def refuse(ws, request):
        for value in request.headers.get_all("Sec-WebSocket-Extensions"):
            for offer in value.split(","):
                name, _, parameters = offer.strip().partition(";")
                for parameter, value in zoo.offered(parameters.strip() or "bare").items():
                    if KNOWN.get(parameter) is not value:
                        return ws.respond(400, f"unsupported parameter of {name}: {parameter}\n")

    async def handler(ws):
        await zoo.converse(Connection(ws), ws.request.path)

    async with serve(
        handler, "127.0.0.1", port, max_size=None, process_request=refuse,
        compression=None, extensions=[ServerPerMessageDeflateFactory()],
    ):
        await asyncio.Future()


if __name__ == "__main__":
    zoo.main(f"on websockets {websockets.__version__}", server=server)
