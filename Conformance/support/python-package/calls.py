# SPDX-License-Identifier: Apache-2.0
"""What a wsproto does when it is called with things that programs hand to it, right or wrong.

Prints a line of JSON for each call: its name, and either the bytes and the state that it gave or the classes of what it
raised. Run with wsproto itself and with ours on the path.
"""

import json
import re
import sys

import wsproto
from wsproto import WSConnection
from wsproto.connection import CLIENT, SERVER, Connection
from wsproto.events import (
    AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Pong, RejectConnection, RejectData, Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol
from wsproto.handshake import H11Handshake
from wsproto.utilities import generate_accept_token, normed_header_dict, split_comma_header

REQUEST = (
    b"GET /chat HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: one, two\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
FIELDS = [
    (b"Host", b"example.com"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"),
    (b"Sec-WebSocket-Version", b"13"), (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
]
CASES = {}


def case(name):
    def add(body):
        assert name not in CASES
        CASES[name] = body
        return body
    return add


def server():
    connection = WSConnection(SERVER)
    connection.receive_data(REQUEST)
    list(connection.events())
    return connection


def opened(role=SERVER):
    return Connection(role)


def client_after(response):
    connection = WSConnection(CLIENT)
    key = normed_header_dict(
        [tuple(line.split(b": ", 1)) for line in connection.send(Request("h", "/")).split(b"\r\n")[1:-2]])
    key = {name.lower(): value for name, value in key.items()}[b"sec-websocket-key"]
    connection.receive_data(response.replace(b"TOKEN", generate_accept_token(key)))
    return connection


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: TOKEN\r\n\r\n"
)


def label(value):
    if isinstance(value, memoryview):
        return f"memoryview({value.tobytes()!r}{'' if value.contiguous else ', with gaps'})"
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))


def each(prefix, values, body):
    for value in values:
        case(f"{prefix} {label(value)}")(lambda value=value: body(value))


def shown(value):
    if not isinstance(value, (bytes, bytearray)):
        return repr(value)
    if value.startswith(b"HTTP/1.1 "):
        # Reason phrases, order and other fields are the differential test's matter.
        head, _, body = value.decode("latin-1").partition("\r\n\r\n")
        fields = sorted(line for line in head.lower().split("\r\n") if line.startswith("sec-"))
        return " ".join([head[9:12], *fields, repr(body)])
    if value[1] & 0x80:
        # Short frames only; the key is random.
        value = value[:2] + bytes(byte ^ value[2 + index % 4] for index, byte in enumerate(value[6:]))
    return value.hex()


# Requests. Whatever is false stands for nothing: RFC 6455 says nothing of Python, wsproto tests for truth.

NOTHING = [None, (), [], "", 0, False, {}, set()]
each("Request subprotocols", NOTHING + [["one"], ("one", "two"), "ab", [b"one"], [1], 7, {"one": 1}, [None], ["\xe9"]],
     lambda value: len(WSConnection(CLIENT).send(Request("h", "/", subprotocols=value))))
case("Request subprotocols of a generator")(
    lambda: len(WSConnection(CLIENT).send(Request("h", "/", subprotocols=(one for one in ["one", "two"])))))
each("Request extensions", NOTHING, lambda value: len(WSConnection(CLIENT).send(Request("h", "/", extensions=value))))
case("Request extensions of a generator")(
    lambda: len(WSConnection(CLIENT).send(Request("h", "/", extensions=(PerMessageDeflate() for _ in range(1))))))
each("Request extensions", [["permessage-deflate"], [None], [PerMessageDeflate], 7],
     lambda value: len(WSConnection(CLIENT).send(Request("h", "/", extensions=value))))
each("Request extra_headers",
     [None, (), [], 0, [("A", "b")], [(b"A", b"b")], [(bytearray(b"A"), memoryview(b"b"))], [("A", 1)], [("A", None)],
      [(1, "b")], [("A",)], ["Ab"], [("\xe9", "b")], [("A", "\xe9")], [("A b", "c")], [("A", "b\r\nC: d")], 7],
     lambda value: len(WSConnection(CLIENT).send(Request("h", "/", extra_headers=value))))
each("Request host", [None, b"h", 7, "", "h\xe9", "h:80", "a..b", ["h"]],
     lambda value: len(WSConnection(CLIENT).send(Request(value, "/"))))
each("Request target", [None, b"/", 7, "", "/\xe9", "/?a=b", "/a b", ["/"]],
     lambda value: len(WSConnection(CLIENT).send(Request("h", value))))

# Answers.

each("AcceptConnection subprotocol", [None, "one", "two", "three", "", b"one", 7, ["one"], 0, False],
     lambda value: server().send(AcceptConnection(subprotocol=value)))
each("AcceptConnection extensions", NOTHING, lambda value: server().send(AcceptConnection(extensions=value)))
each("AcceptConnection extensions", [["permessage-deflate"], [None], [PerMessageDeflate], 7],
     lambda value: server().send(AcceptConnection(extensions=value)))
case("AcceptConnection extensions of permessage-deflate")(
    lambda: server().send(AcceptConnection(extensions=[PerMessageDeflate()])))
each("AcceptConnection extra_headers", [None, [], [("A", "b")], [("A", 1)], 7, [("A", "b\r\nC: d")]],
     lambda value: server().send(AcceptConnection(extra_headers=value)))
each("RejectConnection status", [400, 403, 599, "400", None, 99, 200.5, True, (1 << 32) + 400, 400 - (1 << 32)],
     lambda value: server().send(RejectConnection(status_code=value)))
each("RejectConnection headers", [None, [], [("A", "b")], (("A", "b"),), [("A", 1)], 7],
     lambda value: server().send(RejectConnection(headers=value)))
each("RejectConnection has_body", [None, 0, 1, "yes"],
     lambda value: server().send(RejectConnection(headers=[("content-length", "0")], has_body=value)))


def reject_data(value):
    connection = server()
    connection.send(RejectConnection(headers=[("content-length", "2")], has_body=True))
    return connection.send(RejectData(data=value))


each("RejectData", [b"ab", bytearray(b"ab"), memoryview(b"ab"), "ab", None, 2, [1, 2], [b"a", b"b"]], reject_data)

# Messages. 3 is no message of three zeros.

DATA = [b"ab", bytearray(b"ab"), memoryview(b"ab"), memoryview(b"axb")[::2], "ab", "\xe9", "\ud800", None, 3, 0, 1.5,
        True, [1, 2], (1, 2), {}, [b"a"], object]
for role, name in (SERVER, "server"), (CLIENT, "client"):
    for kind in (BytesMessage, TextMessage, Message):
        each(f"{name} {kind.__name__}", DATA, lambda value, kind=kind, role=role: opened(role).send(kind(value)))
each("Message message_finished", [None, 0, 1, "no", []],
     lambda value: opened().send(TextMessage("a", message_finished=value)))
CONTROL = [b"ab", bytearray(b"ab"), memoryview(b"ab"), "ab", "", None, 3, 0, 1.5, True, {}, [b"a"], object,
           bytes(125), bytes(126)]
for kind in (Ping, Pong):
    each(f"server {kind.__name__}", CONTROL, lambda value, kind=kind: opened().send(kind(value)))
    each(f"client {kind.__name__}", [b"ab", "ab", None, 3, True], lambda value, kind=kind: opened(CLIENT).send(kind(value)))
each("CloseConnection code", [1000, 1005, 1006, 1015, 3000, None, "1000", 1000.0, 1000.5, True, -1, 65536, 1 << 40, (1 << 32) + 1000],
     lambda value: opened().send(CloseConnection(value)))
each("CloseConnection reason", ["", "bye", "\xe9" * 100, None, b"bye", 3, ["bye"], 0, "\ud800"],
     lambda value: opened().send(CloseConnection(1000, value)))
case("CloseConnection with a reason and no code")(lambda: opened().send(CloseConnection(None, "bye")))
case("CloseConnection with a false reason and no code")(lambda: opened().send(CloseConnection(None, "")))
each("send", [None, b"ab", "ab", 3, Ping, object()], lambda value: opened().send(value))
each("send in the handshake", [None, b"ab", Ping(), TextMessage("a"), CloseConnection(1000)],
     lambda value: WSConnection(CLIENT).send(value))

# Received bytes.

RECEIVED = [b"", bytearray(b"\x89"), memoryview(b"\x89"), "ab", 3, 0, True, 1.5, [0x89], {}, object]
each("Connection receive_data", RECEIVED, lambda value: (opened().receive_data(value), "taken")[1])
each("WSConnection receive_data", RECEIVED + [None], lambda value: (WSConnection(SERVER).receive_data(value), "taken")[1])
each("H11Handshake receive_data", RECEIVED + [None], lambda value: (H11Handshake(SERVER).receive_data(value), "taken")[1])
each("Connection trailing_data", [b"", bytearray(b"\x89"), "ab", 3, 0, [0x89]],
     lambda value: Connection(SERVER, None, value).state.name)
each("Connection extensions", NOTHING + [7], lambda value: Connection(SERVER, value).state.name)


def upgrade(headers, path):
    connection = WSConnection(SERVER)
    connection.initiate_upgrade_connection(headers, path)
    return [(event.host, event.target) for event in connection.events()]


each("initiate_upgrade_connection path", ["/", b"/", bytearray(b"/"), None, 3, "/\xe9", ["/"], ""],
     lambda value: upgrade(FIELDS, value))
each("initiate_upgrade_connection headers", [None, [], [("A", "b")], [("A", 1)], 7], lambda value: upgrade(value, "/"))
case("initiate_upgrade_connection headers of a tuple")(lambda: upgrade(tuple(FIELDS), "/"))
case("initiate_upgrade_connection headers of text")(
    lambda: upgrade([(name.decode(), value.decode()) for name, value in FIELDS], "/"))
case("initiate_upgrade_connection by a client")(lambda: WSConnection(CLIENT).initiate_upgrade_connection(FIELDS, "/"))

# After the closing handshake.


# fault: C6
def closed(role, first):
    connection = opened(role)
    frame = b"\x88\x82\0\0\0\0\x03\xe8" if role is SERVER else b"\x88\x02\x03\xe8"
    if first:
        connection.send(CloseConnection(1000))
        connection.receive_data(frame)
        list(connection.events())
    else:
        connection.receive_data(frame)
        list(connection.events())
        connection.send(CloseConnection(1000))
    return connection


for role, name in (SERVER, "server"), (CLIENT, "client"):
    for first in (True, False):
        who = f"{name}, closed by {'itself' if first else 'its peer'}"
        each(f"{who}, receive_data", [b"", b"\x89\x00", b"x" * 200, "ab", 3],
             lambda value, role=role, first=first: closed(role, first).receive_data(value))
        for event in Ping(), Pong(), TextMessage("a"), CloseConnection(1000):
            case(f"{who}, send {type(event).__name__}")(
                lambda event=event, role=role, first=first: closed(role, first).send(event))


def closed_whole(role):
    connection = client_after(ACCEPTED) if role is CLIENT else server()
    if role is SERVER:
        connection.send(AcceptConnection())
    list(connection.events())
    connection.send(CloseConnection(1000))
    connection.receive_data(b"\x88\x02\x03\xe8" if role is CLIENT else b"\x88\x82\0\0\0\0\x03\xe8")
    list(connection.events())
    return connection


for role, name in (SERVER, "server"), (CLIENT, "client"):
    each(f"{name} with its handshake, closed, receive_data", [b"", b"\x89\x00"],
         lambda value, role=role: closed_whole(role).receive_data(value))
    case(f"{name} with its handshake, closed, by its connection")(
        lambda role=role: closed_whole(role).connection.receive_data(b"\x89\x00"))


def peer_closes(data):
    connection = opened(CLIENT)
    connection.receive_data(b"\x88\x02\x03\xe8")
    before = list(connection.events())
    connection.receive_data(data)
    return len(before), list(connection.events()), connection.state.name


case("client, the peer's Close not answered yet, receive_data")(lambda: peer_closes(b"\x89\x00"))
case("client, the Close and more in one read")(
    lambda: (lambda one: (one.receive_data(b"\x88\x02\x03\xe8\x89\x00"), len(list(one.events())), one.state.name)[1:])(
        opened(CLIENT)))

# Frames.

for value in DATA:
    case(f"FrameProtocol send_data {label(value)}")(lambda value=value: FrameProtocol(False, []).send_data(value))
for method in ("ping", "pong"):
    each(f"FrameProtocol {method}", CONTROL, lambda value, method=method: getattr(FrameProtocol(False, []), method)(value))
each("FrameProtocol close code", [None, 1000, 1005, "1000", -1], lambda value: FrameProtocol(False, []).close(value))
each("FrameProtocol close reason", [None, "", "bye", b"bye", 3], lambda value: FrameProtocol(False, []).close(1000, value))
each("FrameProtocol receive_bytes", RECEIVED, lambda value: (FrameProtocol(False, []).receive_bytes(value), "taken")[1])
each("FrameDecoder receive_bytes", RECEIVED, lambda value: (FrameDecoder(False).receive_bytes(value), "taken")[1])
each("FrameDecoder extensions", NOTHING, lambda value: (FrameDecoder(False, value).process_buffer(), "made")[1])
each("FrameProtocol extensions", [None, (), []], lambda value: (list(FrameProtocol(False, value).received_frames()), "made")[1])

# Extensions and helpers.

each("PerMessageDeflate client_max_window_bits", [None, 9, 15, 8, 16, 0, -1, "15", 9.5, True],
     lambda value: PerMessageDeflate(client_max_window_bits=value).client_max_window_bits)
each("PerMessageDeflate client_no_context_takeover", [None, 0, 1, "yes"],
     lambda value: bool(PerMessageDeflate(client_no_context_takeover=value).client_no_context_takeover))
each("generate_accept_token", [b"key", "key", None, 3], generate_accept_token)
each("split_comma_header", [b"a, b", "a, b", None, 3], split_comma_header)


def main():
    print(json.dumps({"module": wsproto.__file__}))
    for name, body in CASES.items():
        try:
            line = {"gives": shown(body())}
        except Exception as error:
            line = {"raises": [one.__name__ for one in type(error).__mro__[:-3]], "message": str(error)[:300]}
        print(json.dumps({"call": name, **line}))


if __name__ == "__main__":
    sys.exit(main())
