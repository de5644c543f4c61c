# SPDX-License-Identifier: Apache-2.0
"""A server of WebSocket over HTTP/3 whose handshake is the library's. Usage: own_server.py PORT CERTIFICATE KEY

Echoes; /refuse is refused with 403, /close is closed at once, /request tells the request's fields, /last how the stream
before has ended.
"""

import asyncio
import json
import sys

from aioquic.asyncio.server import serve
from quic import Http3, WebSocket, configuration
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.negotiation import ServerNegotiation
from wsproto.utilities import RemoteProtocolError

PORT, CERTIFICATE, KEY = sys.argv[1:]


class Stream(WebSocket):
    def message(self, event):
        self.send(type(event)(event.data, message_finished=event.message_finished))

    def closed(self, event):
        self.protocol.last = [int(event.code), event.reason]


class Server(Http3):
    last = None

    def headers_received(self, event):
        if event.stream_id in self.streams:
            return
        announced = self.setting(self.http.sent_settings)
        try:
            negotiation = ServerNegotiation(event.headers, enable_connect_protocol=announced)
        except RemoteProtocolError as error:
            self.send_headers(event.stream_id, error.response, end_stream=True)
            return
        request = negotiation.request
        if request.target == "/refuse":
            self.send_headers(event.stream_id, negotiation.send(RejectConnection(403)), end_stream=True)
            return
        chosen = request.subprotocols[-1] if request.subprotocols else None
        answer = AcceptConnection(subprotocol=chosen, extensions=[PerMessageDeflate()])
        self.send_headers(event.stream_id, negotiation.send(answer))
        stream = Stream(self, event.stream_id, negotiation.connection)
        self.streams[event.stream_id] = stream
        if request.target == "/request":
            fields = [[name.decode(), value.decode()] for name, value in event.headers]
            stream.send(TextMessage(json.dumps([fields, request.host, request.target])))
        if request.target == "/last":
            stream.send(TextMessage(json.dumps(self.last)))
        if request.target == "/close":
            stream.send(CloseConnection(4002, "\u00e0 bient\u00f4t"))


async def main():
    options = configuration(is_client=False)
    options.load_cert_chain(CERTIFICATE, KEY)
    await serve("127.0.0.1", int(PORT), configuration=options, create_protocol=Server)
    await asyncio.Future()


asyncio.run(main())
