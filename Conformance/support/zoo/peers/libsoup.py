# SPDX-License-Identifier: Apache-2.0
# zoo-roles: client
# zoo-apt: python3-gi gir1.2-soup-3.0
# zoo-run: /usr/bin/python3 {file}
# zoo-cannot: client fragments-in: the interface sends whole messages
# zoo-cannot: client ping-in: the interface sends pings by a timer of seconds alone
# zoo-cannot: client unread: the library reads by itself
"""libsoup 3, through its introspection."""

import time

import gi

gi.require_version("Soup", "3.0")
import zoo
from gi.repository import GLib, Soup

KINDS = {Soup.WebsocketDataType.TEXT: "text", Soup.WebsocketDataType.BINARY: "binary"}
TYPES = {name: kind for kind, name in KINDS.items()}
CONTEXT = GLib.MainContext.default()


def turn(done):
    until = time.monotonic() + 9
    while not done():
        if time.monotonic() > until:
            raise TimeoutError("nothing came")
        if not CONTEXT.iteration(False):
            time.sleep(0.0005)


class Connection:
    def __init__(self, ws, extensions):
        self.ws = ws
        self.inbox = []
        self.ended = False
        self.subprotocol = ws.get_protocol()
        self.extensions = extensions
        ws.set_max_incoming_payload_size(0)
        ws.connect("message", self._message)
        ws.connect("closed", self._closed)

    def _message(self, ws, kind, data):
        self.inbox.append((KINDS[Soup.WebsocketDataType(kind)], data.get_data() or b""))

    def _closed(self, ws):
        self.ended = True

    def send(self, kind, data):
        self.ws.send_message(TYPES[kind], GLib.Bytes.new(data))

    def receive(self):
        turn(lambda: self.inbox or self.ended)
        if self.inbox:
            return self.inbox.pop(0)
        # 0 stands for an end without a Close.
        raise zoo.Closed(self.ws.get_close_code() or 1006, self.ws.get_close_data())

    def close(self, code, reason):
        self.ws.close(code, reason or None)
        turn(lambda: self.ended)
        return self.ws.get_close_code() or 1006, self.ws.get_close_data() or ""

    def reset(self):
        stream = self.ws.get_io_stream()
        connection = stream.get_property("base-iostream") if hasattr(stream.props, "base_iostream") else stream
        zoo.reset_descriptor(connection.get_socket().get_fd())


def client(url, offer, subprotocols):
    if offer not in ("default", "none", "client_max_window_bits"):
        raise zoo.Cannot("the library has one offer")
    session = Soup.Session()
    if offer != "none":
        session.add_feature_by_type(Soup.WebsocketExtensionManager)
    message = Soup.Message.new("GET", url)
    got = []
    session.websocket_connect_async(
        message, None, subprotocols, GLib.PRIORITY_DEFAULT, None, lambda _, result: got.append(result))
    turn(lambda: got)
    ws = session.websocket_connect_finish(got[0])
    return Connection(ws, message.get_response_headers().get_list("Sec-WebSocket-Extensions") or "")


zoo.main(f"libsoup {Soup.get_major_version()}.{Soup.get_minor_version()}.{Soup.get_micro_version()}", client)
