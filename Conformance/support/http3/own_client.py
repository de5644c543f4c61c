# SPDX-License-Identifier: Apache-2.0
"""A client of WebSocket over HTTP/3 whose handshake is the library's.

Usage: own_client.py own|example PORT CERTIFICATE FOLDER - own: against own_server.py; example: against aioquic's example;
FOLDER is where wsproto must come from. Prints one line per check.
"""

import asyncio
import json
import os
import sys

import wsproto
from aioquic.asyncio.client import connect
from quic import Http3, WebSocket, configuration
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection, BytesMessage, CloseConnection, Ping, Pong, RejectConnection, Request, TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.negotiation import ClientNegotiation, ServerNegotiation
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

KIND, PORT, CERTIFICATE, FOLDER = sys.argv[1:]
AUTHORITY = f"localhost:{PORT}"
failures = 0


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


class Stream(WebSocket):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.queue, self.parts = asyncio.Queue(), []

    def message(self, event):
        self.parts.append(event.data)
        if event.message_finished:
            self.queue.put_nowait(type(event.data)().join(self.parts))
            self.parts = []

    def event(self, event):
        self.queue.put_nowait(event)

    def closed(self, event):
        self.queue.put_nowait(event)

    async def next(self):
        return await asyncio.wait_for(self.queue.get(), 30)


class Client(Http3):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.announced = asyncio.Event()
        self.responses = {}

    def settings_changed(self):
        if self.http is not None and self.http.received_settings is not None:
            self.announced.set()

    def headers_received(self, event):
        if event.stream_id in self.responses:
            self.responses.pop(event.stream_id).set_result(event.headers)

    async def exchange(self, headers):
        """The stream, and the fields of the response."""
        stream_id = self._quic.get_next_available_stream_id()
        self.responses[stream_id] = response = asyncio.get_running_loop().create_future()
        self.send_headers(stream_id, headers)
        return stream_id, await asyncio.wait_for(response, 30)

    async def open(self, target, **options):
        """What the server has answered, the fields of request and response, and the open stream."""
        await asyncio.wait_for(self.announced.wait(), 30)
        negotiation = ClientNegotiation(
            Request(AUTHORITY, target, **options), enable_connect_protocol=self.setting(self.http.received_settings))
        headers = negotiation.headers
        # The server may speak right behind its answer, before this task runs again.
        stream_id = self._quic.get_next_available_stream_id()
        self.responses[stream_id] = response = asyncio.get_running_loop().create_future()
        early = self.streams[stream_id] = Early()
        self.send_headers(stream_id, headers)
        answered = await asyncio.wait_for(response, 30)
        answer = negotiation.receive(answered)
        del self.streams[stream_id]
        stream = None
        if negotiation.connection is not None:
            stream = self.streams[stream_id] = Stream(self, stream_id, negotiation.connection)
            early.hand_over(stream)
        return answer, headers, answered, stream


class Early:
    """Keeps what comes before the connection is there."""

    def __init__(self):
        self.data, self.has_ended = b"", False

    def received(self, data):
        self.data += data

    def ended(self):
        self.has_ended = True

    def hand_over(self, stream):
        if self.data:
            stream.received(self.data)
        if self.has_ended:
            stream.ended()


async def echo(stream, event, name):
    stream.send(event)
    answer = await stream.next()
    check(f"echo of {name}", answer == event.data, f"{len(answer)} received")


async def talk(client, deflate):
    label = "with permessage-deflate" if deflate else "without compression"
    offered = [PerMessageDeflate()] if deflate else []
    answer, headers, answered, stream = await client.open("/", extensions=offered, subprotocols=["one", "two"])
    check(f"accepted {label}", isinstance(answer, AcceptConnection) and answer.subprotocol == "two", answer)
    check(f"extension {label}", answer.extensions == offered and [one.enabled() for one in offered] == [True] * deflate)
    names = [name for name, _ in headers]
    check(f"request as in RFC 9220 {label}",
          headers[:5] == [(b":method", b"CONNECT"), (b":scheme", b"https"), (b":authority", AUTHORITY.encode()),
                          (b":path", b"/"), (b":protocol", b"websocket")]
          and names[5:] == [b"sec-websocket-version", b"sec-websocket-protocol"] + [b"sec-websocket-extensions"] * deflate,
          headers)
    check(f"response as in RFC 9220 {label}",
          [name for name, _ in answered] == [b":status", b"sec-websocket-protocol"] + [b"sec-websocket-extensions"] * deflate
          and answered[0][1] == b"200", answered)
    await echo(stream, TextMessage("Gr\u00fc\u00dfe \u4e16\u754c \U0001f44b"), f"text {label}")
    await echo(stream, TextMessage(""), f"empty text {label}")
    await echo(stream, BytesMessage(bytes(range(256))), f"binary {label}")
    sent, received = stream.bytes_sent, stream.bytes_received
    await echo(stream, TextMessage("s\u00f8ren " * 100000), f"700 KB of text {label}")
    sent, received = stream.bytes_sent - sent, stream.bytes_received - received
    check(f"size on the wire {label}", (sent < 20000 and received < 40000) if deflate else min(sent, received) >= 700000,
          f"{sent} sent, {received} received")
    check(f"RSV1 {label}", all(bool(first & 0x40) is deflate for first in stream.first_bytes), stream.first_bytes)
    stream.send(TextMessage("in two ", message_finished=False))
    stream.send(TextMessage("parts"))
    check(f"a message in parts {label}", await stream.next() == "in two parts")
    stream.send(Ping(b"there?"))
    check(f"pong {label}", await stream.next() == Pong(b"there?"))
    stream.send(CloseConnection(4001, "bye"))
    closed = await stream.next()
    check(f"close {label}", isinstance(closed, CloseConnection) and closed.code == 4001, closed)
    check(f"closed {label}", stream.connection.state is ConnectionState.CLOSED)


async def own(client):
    check("the server's setting has come", client.setting(client.http.received_settings))
    for deflate in False, True:
        await talk(client, deflate)

    _, headers, _, stream = await client.open("/request", extra_headers=[(b"X-Trace", b"7")])
    fields, host, target = json.loads(await stream.next())
    check("the server has got what was sent", [(name.encode(), value.encode()) for name, value in fields] == headers
          and (b"x-trace", b"7") in headers, fields)
    check("host and target", (host, target) == (AUTHORITY, "/request"), (host, target))
    stream.send(CloseConnection(1000))
    await stream.next()

    _, _, _, stream = await client.open("/close")
    closed = await stream.next()
    check("the server closes first", (closed.code, closed.reason) == (4002, "\u00e0 bient\u00f4t"), closed)

    answer, _, answered, stream = await client.open("/refuse")
    check("refusal", isinstance(answer, RejectConnection) and answer.status_code == 403 and stream is None, answered)

    def changed(**values):
        return [(name, values.get(name.decode().strip(":").replace("-", "_"), value)) for name, value in headers]

    for name, wrong, status in (
        ("a version that is not spoken", changed(sec_websocket_version=b"8"), b"400"),
        ("another protocol", changed(protocol=b"connect-udp"), b"501"),
    ):
        _, answered = await client.exchange(wrong)
        check(f"{name} is refused", answered[0] == (b":status", status), answered)
    # aioquic itself ends the connection for these, so they have not come over a wire.
    for name, wrong, status in (
        ("a field of HTTP/1.1", [*headers, (b"connection", b"Upgrade")], b"400"),
        ("a GET", changed(method=b"GET"), b"405"),
        ("a name in capitals", [*headers, (b"X-Y", b"z")], b"400"),
        ("a field before :path", [headers[-1], *headers[:-1]], b"400"),
        ("no :path", [pair for pair in headers if pair[0] != b":path"], b"400"),
    ):
        try:
            check(f"{name} is refused", False, ServerNegotiation(wrong, enable_connect_protocol=True))
        except RemoteProtocolError as error:
            check(f"{name} is refused", error.response[0] == (b":status", status), error.response)
    try:
        check("a request without the setting", False, ServerNegotiation(headers, enable_connect_protocol=False))
    except RemoteProtocolError as error:
        check("a request without the setting", error.response[0] == (b":status", b"400"), error)

    try:
        ClientNegotiation(Request("localhost", "/"), enable_connect_protocol=False)
        check("no request without the setting", False)
    except LocalProtocolError as error:
        check("no request without the setting", True, error)
    negotiation = ClientNegotiation(Request("localhost", "/"), enable_connect_protocol=True)
    for response in [(b":status", b"101")], [(b":status", b"200"), (b"sec-websocket-protocol", b"chat")], [(b"status", b"200")]:
        try:
            check(f"{response} is not legal", False, negotiation.receive(response))
        except RemoteProtocolError as error:
            check(f"{response} is not legal", True, error)
    check("103 comes before the response", negotiation.receive([(b":status", b"103")]) is None)
    check("200 is an acceptance", isinstance(negotiation.receive([(b":status", b"200")]), AcceptConnection))

    _, _, _, stream = await client.open("/")
    await echo(stream, TextMessage("before"), "text before a reset")
    stream.send(TextMessage("half", message_finished=False))
    stream.is_over = True
    client.reset(stream.stream_id)
    _, _, _, after = await client.open("/last")
    last = json.loads(await after.next())
    check("a stream that is reset is a connection that is lost", last[0] == 1006, last)
    streams = [(await client.open("/"))[3] for _ in range(10)]
    for number, one in enumerate(streams):
        one.send(TextMessage(f"stream {number}"))
    check("ten streams at once", [await one.next() for one in streams] == [f"stream {number}" for number in range(10)])


async def example(client):
    answer, _, _, stream = await client.open("/ws", subprotocols=["chat"], extensions=[PerMessageDeflate()])
    check("aioquic's example accepts", isinstance(answer, AcceptConnection) and answer.subprotocol == "chat", answer)
    check("and knows no compression", answer.extensions == [], answer.extensions)
    await echo(stream, TextMessage("Gr\u00fc\u00dfe \u4e16\u754c"), "text by the example")
    # It makes a message of each part that has come.
    text, answer = "s\u00f8ren " * 10000, ""
    stream.send(TextMessage(text))
    while len(answer) < len(text):
        answer += await stream.next()
    check("echo of 70 KB of text by the example", answer == text, f"{len(answer)} received")
    stream.send(CloseConnection(1000, "bye"))
    closed = await stream.next()
    check("the example closes", isinstance(closed, CloseConnection) and closed.code == 1000, closed)


async def main():
    check("the module in use is the one expected", wsproto.__file__.startswith(FOLDER + os.sep), wsproto.__file__)
    options = configuration(is_client=True)
    options.load_verify_locations(CERTIFICATE)
    async with connect("localhost", int(PORT), configuration=options, create_protocol=Client) as client:
        await asyncio.wait_for(client.announced.wait(), 30)
        await (own if KIND == "own" else example)(client)
        client.close()


asyncio.run(main())
sys.exit(1 if failures else 0)
