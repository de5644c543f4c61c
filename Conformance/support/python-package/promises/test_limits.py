# SPDX-License-Identifier: Apache-2.0
"""Limits: their defaults, the three ways to set them, and that each counts."""

import os
import subprocess
import sys
import unittest

from ends import pair
from wsproto import WSConnection, limits
from wsproto.connection import CLIENT, SERVER, Connection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, ParseFailed
from wsproto.handshake import H11Handshake
from wsproto.limits import Limits
from wsproto.utilities import RemoteProtocolError


def masked(data, opcode=2, fin=True, declared=None):
    """A frame of a client, with a key of zeros."""
    length = len(data) if declared is None else declared
    first = bytes([opcode | fin << 7])
    if length < 126:
        return first + bytes([0x80 | length]) + bytes(4) + data
    if length < 1 << 16:
        return first + b"\xfe" + length.to_bytes(2, "big") + bytes(4) + data
    return first + b"\xff" + length.to_bytes(8, "big") + bytes(4) + data


def outcome(door, data):
    """The code that closes the connection, or the bytes of the messages."""
    door.receive_data(data)
    size = 0
    for event in door.events():
        if isinstance(event, CloseConnection):
            return int(event.code)
        size += len(event.data)
    return size


class LimitsOfConnections(unittest.TestCase):
    def tearDown(self):
        limits.default = Limits()

    # fault: B4
    def test_the_defaults_take_a_frame_of_17_million_bytes(self):
        self.assertEqual(outcome(Connection(SERVER), masked(bytes(17_000_000))), 17_000_000)
        self.assertEqual(outcome(Connection(SERVER), masked(b"", declared=(64 << 20) + 1)), 1009)

    # fault: B4
    def test_every_class_takes_limits(self):
        given = Limits(max_message_bytes=1000)
        client, server = pair(limits=given)
        self.assertEqual(outcome(server, masked(bytes(1001))), 1009)
        handshake = H11Handshake(SERVER, limits=given)
        handshake.initiate_upgrade_connection(
            [(b"Host", b"h"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13"),
             (b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")], "/")
        list(handshake.events())
        handshake.send(AcceptConnection())
        self.assertEqual(outcome(handshake.connection, masked(bytes(1001))), 1009)
        self.assertEqual(outcome(Connection(SERVER, limits=given), masked(bytes(1001))), 1009)
        self.assertEqual(outcome(Connection(SERVER, limits=given), masked(bytes(1000))), 1000)
        for door in FrameProtocol(False, [], limits=given), FrameDecoder(False, limits=given):
            door.receive_bytes(masked(bytes(1001)))
            with self.assertRaises(ParseFailed) as failure:
                door.process_buffer() if isinstance(door, FrameDecoder) else list(door.received_frames())
            self.assertEqual(failure.exception.code, 1009)

    # fault: B4
    def test_each_limit_counts(self):
        def after(data, **given):
            return outcome(Connection(SERVER, limits=Limits(**given)), data)

        half = masked(bytes(600), fin=False)
        self.assertEqual(after(half + masked(bytes(600), opcode=0), max_message_bytes=1000), 1009)
        self.assertEqual(after(half + masked(bytes(600), opcode=0), max_message_bytes=1200), 1200)
        self.assertEqual(after(masked(bytes(600)), max_frame_payload=599), 1009)
        self.assertEqual(after(half + masked(bytes(600), opcode=0), max_message_wire_bytes=1200), 1009)
        self.assertEqual(after(half + masked(b"", opcode=0, fin=False) * 2, max_message_fragments=2), 1008)
        self.assertEqual(after(half + masked(b"", opcode=0, fin=False) * 2, max_message_fragments=3), 600)
        for size, parts in (100, 7), (None, 1):
            client, server = pair([PerMessageDeflate()], [PerMessageDeflate()], limits=Limits(max_part_bytes=size))
            server.receive_data(client.send(BytesMessage(bytes(601))))
            received = [len(event.data) for event in server.events()]
            self.assertEqual((len(received), sum(received)), (parts, 601))
        head = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 200
        for given in {"max_head_fields": 100}, {"max_head_fields": None, "max_head_bytes": 500}:
            with self.assertRaises(RemoteProtocolError) as failure:
                WSConnection(SERVER, limits=Limits(**given)).receive_data(head + b"\r\n")
            self.assertEqual(failure.exception.event_hint.status_code, 431)
        WSConnection(SERVER, limits=Limits(max_head_fields=None)).receive_data(head)

    # fault: C1
    def test_early_bytes(self):
        for limit, fits in (None, True), (4, True), (3, False):
            server = WSConnection(SERVER, limits=Limits(max_early_bytes=limit))
            server.receive_data(WSConnection(CLIENT).send(Request(host="h", target="/")) + b"\x82\x80\0\0")
            if fits:
                server.receive_data(b"\0\0")
                self.assertEqual([type(event) for event in server.events()], [Request])
                server.send(AcceptConnection())
                self.assertEqual([type(event) for event in server.events()], [BytesMessage])
            else:
                with self.assertRaises(RemoteProtocolError) as failure:
                    server.receive_data(b"\0\0")
                self.assertEqual(failure.exception.event_hint.status_code, 400)

    # fault: B4
    def test_none_is_no_limit(self):
        given = Limits(max_message_bytes=None)
        self.assertEqual(outcome(Connection(SERVER, limits=given), masked(b"abc", declared=1 << 50)), 3)
        self.assertEqual(outcome(Connection(SERVER, limits=Limits(max_message_bytes=1 << 70)), masked(b"abc", declared=1 << 50)), 3)

    # fault: B4
    def test_the_default_of_the_module_counts_from_then_on(self):
        before = Connection(SERVER)
        limits.default = Limits(max_message_bytes=10)
        self.assertEqual(outcome(Connection(SERVER), masked(bytes(11))), 1009)
        self.assertEqual(outcome(before, masked(bytes(11))), 11)
        self.assertEqual(outcome(Connection(SERVER, limits=Limits()), masked(bytes(11))), 11)

    # fault: B4
    def test_the_environment_sets_the_default(self):
        def shown(**variables):
            program = "import wsproto.limits; print(wsproto.limits.default)"
            return subprocess.run(
                [sys.executable, "-c", program], env={**os.environ, **variables}, capture_output=True, text=True, check=False)

        self.assertEqual(shown().stdout.strip(), repr(Limits()))
        self.assertEqual(shown(WSPROTO_MAX_MESSAGE_BYTES="100000000").stdout.strip(), repr(Limits(100_000_000)))
        self.assertEqual(
            shown(WSPROTO_MAX_MESSAGE_BYTES="none", WSPROTO_MAX_HEAD_FIELDS="7", WSPROTO_MAX_FRAME_PAYLOAD="").stdout.strip(),
            repr(Limits(max_message_bytes=None, max_head_fields=7)))
        for wrong in "100M", "-1", "1e6", "\u0661":
            self.assertIn("WSPROTO_MAX_HEAD_BYTES is a number or 'none'", shown(WSPROTO_MAX_HEAD_BYTES=wrong).stderr)

    # fault: B4
    def test_limits_are_checked(self):
        for wrong in "1", 1.5, True:
            with self.assertRaises(TypeError):
                Limits(max_message_bytes=wrong)
        with self.assertRaises(ValueError):
            Limits(max_head_bytes=-1)
