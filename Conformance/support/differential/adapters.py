# SPDX-License-Identifier: Apache-2.0
"""Implementations brought to one outcome.

An outcome is a list of events:
  ("text", str) ("binary", bytes) ("ping", bytes) ("pong", bytes)   a whole message, a control frame
  ("close", code, reason)      the peer's Close
  ("fail", code)               the connection was failed with that code
  ("eof", code)                what the end of the stream without a Close came to
  ("open", state)              still open at the end of the input
  ("accepted", subprotocol, parameters)    the handshake succeeded; parameters of permessage-deflate or None
  ("rejected", detail)         the handshake was refused, or the peer's was found invalid
  ("waiting",)                 the handshake is incomplete
  ("crash", text)              anything else that was raised
"""

import base64
import hashlib
import logging

from . import cases

SUBPROTOCOLS = ["chat", "superchat"]
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_token(key):
    return base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()


def negotiated(value):
    """Parameters in a Sec-WebSocket-Extensions answer: (server nct, client nct, server bits, client bits), or None."""
    if not value:
        return None
    found = {}
    for parameter in value.split(";")[1:]:
        name, _, argument = parameter.strip().partition("=")
        if name:
            found[name] = argument.strip().strip('"')
    return (
        "server_no_context_takeover" in found, "client_no_context_takeover" in found,
        int(found.get("server_max_window_bits") or 15), int(found.get("client_max_window_bits") or 15),
    )


def head_of(data):
    """(status, {lower-case name: value}) of an HTTP head that an implementation wrote."""
    lines = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    return lines[0], fields


class Joiner:
    """Joins partial messages."""

    def __init__(self):
        self.events = []
        self.parts = []

    def part(self, kind, data, finished):
        self.parts.append(data)
        if finished:
            self.events.append((kind, ("" if kind == "text" else b"").join(self.parts)))
            self.parts = []


class WsprotoLike:
    """Drives a package with wsproto's interface: wsproto itself, or ours through ctypes."""

    def __init__(self, name, package):
        import importlib

        self.name = name
        self.wsproto = package
        self.connection = importlib.import_module(package.__name__ + ".connection")
        self.events = importlib.import_module(package.__name__ + ".events")
        self.extensions = importlib.import_module(package.__name__ + ".extensions")
        self.frames = importlib.import_module(package.__name__ + ".frame_protocol")
        self.utilities = importlib.import_module(package.__name__ + ".utilities")

    def run(self, case):
        outcome = Joiner()
        try:
            getattr(self, "run_" + case["kind"])(case, outcome)
        except Exception as error:  # an implementation may raise anything, that is what is being tested
            outcome.events.append(("crash", f"{type(error).__name__}: {error}"))
        return outcome.events

    def extension_list(self, pmd):
        if pmd is None:
            return []
        extension = self.extensions.PerMessageDeflate(**pmd)
        parameters = [name for name in ("client_no_context_takeover", "server_no_context_takeover") if pmd[name]]
        parameters += [f"{side}_max_window_bits={pmd[side + '_max_window_bits']}" for side in ("client", "server")]
        extension.finalize("; ".join(["permessage-deflate"] + parameters))
        return [extension]

    def run_frames(self, case, outcome):
        client = case["role"] == "client"
        extensions = self.extension_list(case["pmd"])
        if case["door"] == "frame":
            return self.run_frame_door(case, self.frames.FrameProtocol(client, extensions), outcome)
        connection = self.connection.Connection(
            self.connection.ConnectionType.CLIENT if client else self.connection.ConnectionType.SERVER, extensions)
        if case["closing"]:
            connection.send(self.events.CloseConnection(code=1000))
        for read in cases.reads(case["data"], case["cuts"]):
            connection.receive_data(read)
            if self.drain(connection, connection.events(), outcome):
                return
        if case["eof"]:
            connection.receive_data(None)
            for event in connection.events():
                outcome.events.append(("eof", int(event.code)))
        else:
            outcome.events.append(("open", connection.state.name))

    def failed(self, connection):
        """Whether the event that ended the connection was a failure. wsproto leaves its state for that; ours moves it
        as for the peer's Close, and says it."""
        if self.name == "ours":
            return connection._endpoint.failure != 0
        return connection.state.name not in ("REMOTE_CLOSING", "CLOSED")

    def drain(self, connection, events, outcome):
        """True when the connection is over."""
        names = self.events
        for event in events:
            if isinstance(event, names.TextMessage):
                outcome.part("text", event.data, event.message_finished)
            elif isinstance(event, names.BytesMessage):
                outcome.part("binary", bytes(event.data), event.message_finished)
            elif isinstance(event, names.Ping):
                outcome.events.append(("ping", bytes(event.payload)))
            elif isinstance(event, names.Pong):
                outcome.events.append(("pong", bytes(event.payload)))
            elif isinstance(event, names.CloseConnection):
                if self.failed(connection):
                    outcome.events.append(("fail", int(event.code)))
                else:
                    outcome.events.append(("close", int(event.code), event.reason or ""))
                return True
            else:
                outcome.events.append(("crash", f"unexpected {event!r}"))
                return True
        return False

    def run_frame_door(self, case, protocol, outcome):
        opcode = self.frames.Opcode
        try:
            for read in cases.reads(case["data"], case["cuts"]):
                protocol.receive_bytes(read)
                for frame in protocol.received_frames():
                    if frame.opcode == opcode.TEXT:
                        outcome.part("text", frame.payload, frame.frame_finished and frame.message_finished)
                    elif frame.opcode == opcode.BINARY:
                        outcome.part("binary", bytes(frame.payload), frame.frame_finished and frame.message_finished)
                    elif frame.opcode == opcode.CLOSE:
                        outcome.events.append(("close", int(frame.payload[0]), frame.payload[1] or ""))
                        return
                    else:
                        outcome.events.append((frame.opcode.name.lower(), bytes(frame.payload)))
        except self.frames.ParseFailed as failure:
            outcome.events.append(("fail", int(failure.code)))
            return
        outcome.events.append(("open", "OPEN"))

    def run_request(self, case, outcome):
        names = self.events
        server = self.wsproto.WSConnection(self.connection.ConnectionType.SERVER)
        accepted = False
        for read in cases.reads(cases.handshake_bytes(case), case["cuts"]):
            try:
                server.receive_data(read)
            except self.utilities.RemoteProtocolError as error:
                hint = error.event_hint
                outcome.events.append(("rejected", hint.status_code if hint is not None else None))
                return
            for event in server.events():
                if not isinstance(event, names.Request):
                    if self.drain(server, [event], outcome):
                        return
                    continue
                chosen = next((name for name in event.subprotocols if name in SUBPROTOCOLS), None)
                try:
                    answer = server.send(names.AcceptConnection(
                        subprotocol=chosen, extensions=[self.extensions.PerMessageDeflate()]))
                except self.utilities.RemoteProtocolError as error:
                    outcome.events.append(("rejected", error.event_hint.status_code))
                    return
                except self.utilities.LocalProtocolError as error:
                    outcome.events.append(("rejected", str(error)))
                    return
                status, fields = head_of(answer)
                assert status.startswith("HTTP/1.1 101"), status
                outcome.events.append(
                    ("accepted", fields.get("sec-websocket-protocol"), negotiated(fields.get("sec-websocket-extensions"))))
                accepted = True
            if accepted:
                # The frame in the same read must not be lost.
                self.drain(server, server.events(), outcome)
        if not outcome.events:
            outcome.events.append(("waiting",))

    def run_response(self, case, outcome):
        names = self.events
        client = self.wsproto.WSConnection(self.connection.ConnectionType.CLIENT)
        offer = self.extensions.PerMessageDeflate()
        request = client.send(names.Request(
            host="example.com", target="/chat", subprotocols=list(SUBPROTOCOLS), extensions=[offer]))
        key = head_of(request)[1]["sec-websocket-key"].encode()
        for read in cases.reads(cases.handshake_bytes(case, accept_token(key)), case["cuts"]):
            try:
                client.receive_data(read)
                for event in client.events():
                    if isinstance(event, names.AcceptConnection):
                        parameters = None
                        if event.extensions:
                            parameters = (
                                offer.server_no_context_takeover, offer.client_no_context_takeover,
                                offer.server_max_window_bits, offer.client_max_window_bits)
                        outcome.events.append(("accepted", event.subprotocol, parameters))
                    elif isinstance(event, names.RejectConnection):
                        outcome.events.append(("rejected", event.status_code))
                        return
                    elif self.drain(client, [event], outcome):
                        return
            except self.utilities.RemoteProtocolError:
                outcome.events.append(("rejected", None))
                return
        if not outcome.events:
            outcome.events.append(("waiting",))


class Websockets:
    """The sans-I/O layer of the `websockets` library."""

    name = "websockets"

    def __init__(self):
        import codecs

        from websockets import client, exceptions, protocol, server, uri
        from websockets.extensions import permessage_deflate

        self.decoder = codecs.getincrementaldecoder("utf-8")
        self.client, self.protocol, self.server, self.uri = client, protocol, server, uri
        self.deflate, self.exceptions = permessage_deflate, exceptions
        self.logger = logging.getLogger("differential")
        self.logger.addHandler(logging.NullHandler())
        self.logger.propagate = False
        self.logger.setLevel(logging.CRITICAL + 1)

    run = WsprotoLike.run

    def run_frames(self, case, outcome):
        client = case["role"] == "client"
        protocol = self.protocol.Protocol(
            self.protocol.CLIENT if client else self.protocol.SERVER, state=self.protocol.OPEN, max_size=None,
            logger=self.logger)
        pmd = case["pmd"]
        if pmd is not None:
            sides = ("server", "client") if client else ("client", "server")
            protocol.extensions = [self.deflate.PerMessageDeflate(
                *(pmd[side + "_no_context_takeover"] for side in sides), *(pmd[side + "_max_window_bits"] for side in sides))]
        if case["closing"]:
            protocol.send_close(1000)
        reader = FrameReader(self, protocol, outcome)
        for read in cases.reads(case["data"], case["cuts"]):
            protocol.receive_data(read)
            if reader.drain():
                return
        if case["eof"]:
            protocol.receive_eof()
            outcome.events.append(("eof", int(protocol.close_code)))
        else:
            state = "LOCAL_CLOSING" if protocol.state is self.protocol.CLOSING else protocol.state.name
            outcome.events.append(("open", state))

    def run_request(self, case, outcome):
        protocol = self.server.ServerProtocol(
            extensions=[self.deflate.ServerPerMessageDeflateFactory()], subprotocols=SUBPROTOCOLS, max_size=None,
            select_subprotocol=lambda _, offered: next((name for name in offered if name in SUBPROTOCOLS), None),
            logger=self.logger)
        reader = None
        for read in cases.reads(cases.handshake_bytes(case), case["cuts"]):
            protocol.receive_data(read)
            if reader is None:
                if protocol.handshake_exc is not None:
                    outcome.events.append(("rejected", 400))
                    return
                received = protocol.events_received()
                if not received:
                    continue
                response = protocol.accept(received[0])
                if response.status_code != 101:
                    outcome.events.append(("rejected", response.status_code))
                    return
                protocol.send_response(response)
                outcome.events.append((
                    "accepted", response.headers.get("Sec-WebSocket-Protocol"),
                    negotiated(response.headers.get("Sec-WebSocket-Extensions"))))
                reader = FrameReader(self, protocol, outcome)
                # Frames that came in the same read as the request are behind it, or still waiting in the parser.
                if reader.take(received[1:]):
                    return
                protocol.receive_data(b"")
            if reader.drain():
                return
        if not outcome.events:
            outcome.events.append(("waiting",))

    def run_response(self, case, outcome):
        factory = self.deflate.ClientPerMessageDeflateFactory(server_max_window_bits=15, client_max_window_bits=15)
        protocol = self.client.ClientProtocol(
            self.uri.parse_uri("ws://example.com/chat"), extensions=[factory], subprotocols=SUBPROTOCOLS, max_size=None,
            logger=self.logger)
        protocol.send_request(protocol.connect())
        accept = accept_token(protocol.key.encode())
        reader = None
        for read in cases.reads(cases.handshake_bytes(case, accept), case["cuts"]):
            protocol.receive_data(read)
            if reader is None:
                if protocol.handshake_exc is not None:
                    status = getattr(getattr(protocol.handshake_exc, "response", None), "status_code", None)
                    outcome.events.append(("rejected", status))
                    return
                if protocol.state is self.protocol.CONNECTING:
                    continue
                parameters = None
                for extension in protocol.extensions:
                    parameters = (
                        extension.remote_no_context_takeover, extension.local_no_context_takeover,
                        extension.remote_max_window_bits, extension.local_max_window_bits)
                outcome.events.append(("accepted", protocol.subprotocol, parameters))
                reader = FrameReader(self, protocol, outcome)
            if reader.drain():
                return
        if not outcome.events:
            outcome.events.append(("waiting",))


class FrameReader:
    """Frames of `websockets` joined to messages, with the UTF-8 check that its upper layers do, frame by frame."""

    def __init__(self, adapter, protocol, outcome):
        from websockets.frames import Close, Opcode

        self.adapter, self.protocol, self.outcome = adapter, protocol, outcome
        self.Close, self.Opcode = Close, Opcode
        self.kind = None
        self.decode = None

    def drain(self):
        return self.take(self.protocol.events_received())

    def take(self, frames):
        events = self.outcome.events
        for frame in frames:
            opcode = getattr(frame, "opcode", None)
            if opcode is None:
                continue  # the handshake
            if opcode in (self.Opcode.TEXT, self.Opcode.BINARY):
                self.kind = "text" if opcode is self.Opcode.TEXT else "binary"
                self.decode = self.adapter.decoder().decode if self.kind == "text" else lambda data, final: bytes(data)
            if opcode is self.Opcode.PING or opcode is self.Opcode.PONG:
                events.append((opcode.name.lower(), bytes(frame.data)))
            elif opcode is self.Opcode.CLOSE:
                received = self.Close.parse(frame.data)
                events.append(("close", int(received.code), received.reason))
                return True
            else:
                try:
                    data = self.decode(bytes(frame.data), frame.fin)
                except UnicodeDecodeError:
                    events.append(("fail", 1007))
                    return True
                self.outcome.part(self.kind, data, frame.fin)
        if self.protocol.parser_exc is not None:
            events.append(("fail", self.code_of(self.protocol.parser_exc)))
            return True
        return False

    def code_of(self, error):
        if isinstance(error, UnicodeDecodeError):
            return 1007
        if isinstance(error, self.adapter.exceptions.PayloadTooBig):
            return 1009
        return 1002 if isinstance(error, self.adapter.exceptions.ProtocolError) else 1011
