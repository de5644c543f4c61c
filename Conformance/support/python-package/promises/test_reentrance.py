# SPDX-License-Identifier: Apache-2.0
"""A call from inside of a call raises; a hook's exception reaches who has called."""

import sys
import unittest

from wsproto import WSConnection
from wsproto.connection import CLIENT, SERVER, Connection
from wsproto.events import (
    AcceptConnection, BytesMessage, CloseConnection, Ping, RejectConnection, Request, TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, RsvBits
from wsproto.utilities import LocalProtocolError


class Intruder(Extension):
    """Its hooks do `action`."""

    name = "intruder"

    def __init__(self):
        self.calls = []
        self.action = None

    def intrude(self, hook):
        self.calls.append(hook)
        action, self.action = self.action, None
        if action:
            try:
                action()
            finally:
                self.action = action

    def enabled(self):
        self.intrude("enabled")
        return True

    def offer(self):
        self.intrude("offer")
        return True

    def accept(self, offer):
        self.intrude("accept")
        return True

    def finalize(self, offer):
        self.intrude("finalize")

    def frame_inbound_header(self, proto, opcode, rsv, payload_length):
        self.intrude("frame_inbound_header")
        return RsvBits(False, False, False)

    def frame_inbound_payload_data(self, proto, data):
        self.intrude("frame_inbound_payload_data")
        return data

    def frame_inbound_complete(self, proto, fin):
        self.intrude("frame_inbound_complete")

    def frame_outbound(self, proto, opcode, rsv, data, fin):
        self.intrude("frame_outbound")
        return rsv, data


class Reentrance(unittest.TestCase):
    def use(self, connection, refused):
        """Calls everything, which must raise, and what may be asked."""
        state = connection.state
        doors = [connection, connection.handshake] + [connection.connection] * (connection.connection is not None)
        for door in doors:
            calls = [
                lambda: door.send(Ping()), lambda: door.send(Request("h", "/")), lambda: door.send(AcceptConnection()),
                lambda: door.send(RejectConnection()), lambda: door.send(CloseConnection(1000)),
                lambda: door.receive_data(b"\x89\x80\0\0\0\0"), lambda: door.receive_data(None),
                lambda: next(door.events()),
            ]
            for call in calls:
                with self.assertRaises(LocalProtocolError):
                    call()
                refused.append(call)
        self.assertIs(connection.state, state)
        with self.assertRaises(LocalProtocolError):
            connection.initiate_upgrade_connection([], "/")

    # fault: C8
    def test_hooks_cannot_use_their_connection(self):
        client, server, refused = WSConnection(CLIENT), WSConnection(SERVER), []
        offered, supported = Intruder(), Intruder()
        offered.action = lambda: self.use(client, refused)
        supported.action = lambda: self.use(server, refused)
        server.receive_data(client.send(Request("example.com", "/", extensions=[offered])))
        self.assertEqual(len(list(server.events())), 1)
        client.receive_data(server.send(AcceptConnection(extensions=[supported])))
        self.assertEqual(list(client.events())[0].extensions, [offered])
        for sender, receiver in (client, server), (server, client):
            receiver.receive_data(sender.send(TextMessage("abc")))
            self.assertEqual(list(receiver.events()), [TextMessage("abc")])
        hooks = ["enabled", "frame_inbound_header", "frame_inbound_payload_data", "frame_inbound_complete", "frame_outbound"]
        self.assertLessEqual({*hooks, "offer", "finalize"}, {*offered.calls})
        self.assertLessEqual({*hooks, "accept"}, {*supported.calls})
        self.assertGreater(len(refused), 8 * len(hooks))

    # fault: C8
    def test_the_error_reaches_the_caller_of_the_outer_call(self):
        extension = Intruder()
        connection = Connection(CLIENT, [extension])
        extension.action = lambda: connection.send(Ping())
        with self.assertRaisesRegex(LocalProtocolError, "send was called from inside of another call"):
            connection.send(TextMessage("abc"))
        extension.action = None
        self.assertEqual(len(connection.send(TextMessage("abc"))), 2 + 4 + 3)

    # fault: C8
    def test_hooks_cannot_use_their_frame_protocol(self):
        extension = Intruder()
        protocol, decoder, refused = FrameProtocol(True, [extension]), FrameDecoder(True, [extension]), []

        def use():
            for call in (
                lambda: protocol.send_data(b"a"), lambda: protocol.ping(), lambda: protocol.close(1000),
                lambda: protocol.receive_bytes(b"\x89"), lambda: next(protocol.received_frames()),
            ) if busy is protocol else (lambda: decoder.receive_bytes(b"\x89"), decoder.process_buffer):
                with self.assertRaises(LocalProtocolError):
                    call()
                refused.append(call)

        extension.action = use
        busy = protocol
        self.assertEqual(len(protocol.send_data(b"abc")), 2 + 4 + 3)
        protocol.receive_bytes(b"\x82\x02hi")
        self.assertEqual([frame.payload for frame in protocol.received_frames()], [b"hi"])
        busy = decoder
        decoder.receive_bytes(b"\x82\x02hi")
        self.assertEqual(decoder.process_buffer().payload, b"hi")
        self.assertGreater(len(refused), 10)

    # fault: C8
    def test_code_between_the_lines_cannot_use_the_connection(self):
        # Signal handlers and finalizers run between any two lines, also between a call and the conversion of its result.
        client = Connection(CLIENT)
        outcomes = []

        def trace(frame, event, argument):
            if "wsproto" not in frame.f_code.co_filename or frame.f_code.co_filename == __file__:
                return None
            sys.settrace(None)
            try:
                outcomes.append(client.send(Ping(b"x")))
            except LocalProtocolError as error:
                outcomes.append(error)
            finally:
                sys.settrace(trace)
            return trace

        wanted = b"0123456789" * 10
        sys.settrace(trace)
        try:
            output = client.send(BytesMessage(wanted))
        finally:
            sys.settrace(None)
        self.assertTrue(any(isinstance(one, LocalProtocolError) for one in outcomes))
        self.assertTrue(all(isinstance(one, LocalProtocolError) or len(one) == 7 for one in outcomes))
        server = Connection(SERVER)
        server.receive_data(output)
        self.assertEqual([event.data for event in server.events()], [wanted])

    def test_what_a_hook_raises_is_raised_where_it_was_called(self):
        class Broken(Intruder):
            def enabled(self):
                raise KeyError("enabled")

        with self.assertRaises(KeyError):
            Connection(CLIENT, [Broken()])
        # And nowhere else.
        self.assertEqual(len(Connection(CLIENT).send(Ping())), 6)

    def test_a_failed_send_keeps_the_extensions_of_the_one_before(self):
        client, server, offered = WSConnection(CLIENT), WSConnection(SERVER), PerMessageDeflate()
        server.receive_data(client.send(Request("example.com", "/", extensions=[offered])))
        list(server.events())
        with self.assertRaises(LocalProtocolError):
            client.send(Request("example.com", "/", extensions=[PerMessageDeflate()]))
        client.receive_data(server.send(AcceptConnection(extensions=[PerMessageDeflate()])))
        self.assertIs(list(client.events())[0].extensions[0], offered)
