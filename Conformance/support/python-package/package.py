# SPDX-License-Identifier: Apache-2.0
"""What the Python package promises beyond wsproto: threads, calls from inside of calls, limits, memory."""

import ctypes
import gc
import itertools
import os
import subprocess
import sys
import threading
import unittest

import wsproto
from wsproto import WSConnection, limits
from wsproto.connection import CLIENT, SERVER, Connection, ConnectionState
from wsproto.events import (
    AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Pong, RejectConnection, Request, TextMessage,
)
from wsproto.extensions import Extension, PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol, Opcode, ParseFailed, RsvBits
from wsproto.handshake import H11Handshake
from wsproto.limits import Limits
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

THREADS, ROUNDS = 4, 400


def pair(client_extensions=(), server_extensions=(), **options):
    client, server = WSConnection(CLIENT, **options), WSConnection(SERVER, **options)
    server.receive_data(client.send(Request("example.com", "/", extensions=list(client_extensions))))
    list(server.events())
    client.receive_data(server.send(AcceptConnection(extensions=list(server_extensions))))
    list(client.events())
    return client, server


def in_threads(*bodies):
    """Runs each body in threads of its own until all have ended; what they raised."""
    problems = []

    def guarded(body):
        try:
            body()
        except BaseException as error:
            problems.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=guarded, args=(body,), daemon=True) for body in bodies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        problems += [f"{thread} hangs" for thread in threads if thread.is_alive()]
    finally:
        sys.setswitchinterval(interval)
    return problems


class Threads(unittest.TestCase):
    # fault: B1
    def test_one_connection_takes_calls_of_many_threads(self):
        for role in SERVER, CLIENT:
            for deflate in False, True:
                with self.subTest(role=role, deflate=deflate):
                    client, server = pair([PerMessageDeflate()] * deflate, [PerMessageDeflate()] * deflate)
                    self.share(*((client, server) if role is CLIENT else (server, client)))

    def share(self, shared, peer):
        """Several threads send, receive, take events and ask; each frame and each event must be there once."""
        # Control frames: whole whatever comes between them.
        pings = [peer.send(Ping(b"%d" % number)) for number in range(THREADS * ROUNDS)]
        feed, sent, taken, done = iter(pings), [], [], threading.Event()
        lock = threading.Lock()
        numbers = itertools.count()

        def receive(door):
            # In order, for the other end to compare.
            while True:
                with lock:
                    frame = next(feed, None)
                    if frame is None:
                        return
                    door.receive_data(frame)

        def send(door):
            for _ in range(ROUNDS):
                with lock:
                    # What compresses must arrive in the order in which it was sent.
                    number = next(numbers)
                    sent.append((number, door.send(TextMessage(f"number {number}"))))

        def take(door):
            while not done.is_set() or len(taken) < len(pings):
                for event in door.events():
                    taken.append(event)

        def ask():
            while not done.is_set():
                self.assertIs(shared.state, ConnectionState.OPEN)
                self.assertIsNotNone(shared.connection)
                self.assertIs(shared.connection.state, ConnectionState.OPEN)
                self.assertIs(shared.handshake.state, ConnectionState.OPEN)

        doors = [shared, shared.connection]
        work = [lambda door=door: receive(door) for door in doors] + [lambda door=door: send(door) for door in doors * 2]
        watchers = [lambda door=door: take(door) for door in doors] + [ask]

        def workers():
            problems = in_threads(*work)
            done.set()
            self.assertEqual(problems, [])

        self.assertEqual(in_threads(workers, *watchers), [])
        self.assertEqual(sorted(int(event.payload) for event in taken), list(range(len(pings))))
        for _, output in sent:
            peer.receive_data(output)
        messages = [event.data for event in peer.events()]
        self.assertEqual(messages, [f"number {number}" for number, _ in sent])

    # fault: B1
    def test_unordered_calls_of_many_threads(self):
        # No lock of the caller's at all: sixteen threads do what they like.
        shared = Connection(SERVER)
        frame = Connection(CLIENT).send(Ping(b"x" * 125))
        taken = itertools.count()

        def use():
            for number in range(ROUNDS):
                shared.receive_data(frame)
                self.assertEqual(shared.send(BytesMessage(b"y" * number))[-1:], b"y" if number else b"\0")
                for event in shared.events():
                    self.assertEqual(event, Ping(b"x" * 125))
                    next(taken)
                self.assertIs(shared.state, ConnectionState.OPEN)

        self.assertEqual(in_threads(*[use] * 16), [])
        self.assertEqual(next(taken), 16 * ROUNDS)

    # fault: B1
    def test_frames_and_extensions_take_calls_of_many_threads(self):
        protocol, decoder, deflate = FrameProtocol(False, []), FrameDecoder(False), PerMessageDeflate()
        frame = FrameProtocol(True, []).send_data(b"payload")
        frames = itertools.count()

        def protocols():
            for _ in range(ROUNDS):
                protocol.receive_bytes(frame)
                self.assertEqual(protocol.send_data(b"answer"), b"\x82\x06answer")
                for one in protocol.received_frames():
                    self.assertEqual(one.payload, b"payload")
                    next(frames)

        def decoders():
            for _ in range(ROUNDS):
                decoder.receive_bytes(frame)
                one = decoder.process_buffer()
                self.assertTrue(one is None or one.payload == b"payload")

        def extensions():
            for number in range(ROUNDS):
                deflate.client_max_window_bits = 9 + number % 7
                self.assertIn(deflate.client_max_window_bits, range(9, 16))
                self.assertIn("server_max_window_bits=15", deflate.offer())
                self.assertFalse(deflate.enabled())

        self.assertEqual(in_threads(*[protocols, decoders, extensions] * 3), [])
        self.assertEqual(next(frames), 3 * ROUNDS)

    # fault: B1
    def test_one_extension_in_connections_of_many_threads(self):
        shared = PerMessageDeflate()

        def use():
            for number in range(ROUNDS // 4):
                client, server = pair([PerMessageDeflate()], [shared])
                server.receive_data(client.send(TextMessage(f"number {number}")))
                self.assertEqual([event.data for event in server.events()], [f"number {number}"])

        self.assertEqual(in_threads(*[use] * THREADS), [])

    # fault: B1
    def test_nothing_is_held_while_the_caller_has_an_event(self):
        client, server = pair()
        server.receive_data(client.send(Ping(b"1")) + client.send(Ping(b"2")))
        events = server.events()
        self.assertEqual(next(events), Ping(b"1"))
        # A generator that was left halfway, as simple-websocket's client does.
        answers = []
        self.assertEqual(in_threads(lambda: answers.append(server.send(Pong(b"1")))), [])
        self.assertEqual(answers, [b"\x8a\x011"])
        self.assertEqual(list(server.events()), [Ping(b"2")])
        self.assertEqual(list(events), [])


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
        head = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"A: b\r\n" * 200
        for given in {"max_head_fields": 100}, {"max_head_fields": None, "max_head_bytes": 500}:
            with self.assertRaises(RemoteProtocolError) as failure:
                WSConnection(SERVER, limits=Limits(**given)).receive_data(head + b"\r\n")
            self.assertEqual(failure.exception.event_hint.status_code, 431)
        WSConnection(SERVER, limits=Limits(max_head_fields=None)).receive_data(head)

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


class MallInfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


def held():
    """What malloc has given out, in bytes; Python's small objects have memory of their own."""
    gc.collect()
    info = mallinfo2()
    return info.uordblks + info.hblkhd


try:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = MallInfo
except (AttributeError, OSError):
    mallinfo2 = None


@unittest.skipIf(mallinfo2 is None or held() == 0, "needs glibc's malloc")
class Memory(unittest.TestCase):
    # fault: M5
    def test_an_idle_connection_does_not_hold_what_it_has_sent(self):
        client, server = pair()
        protocol = FrameProtocol(False, [])
        large = bytes(8 << 20)
        for end, send in (
            (server, lambda: server.send(BytesMessage(large))), (client, lambda: client.send(BytesMessage(large))),
            (protocol, lambda: protocol.send_data(large)),
        ):
            with self.subTest(end=type(end).__name__):
                before = held()
                output = send()
                self.assertGreater(held() - before, 8 << 20)
                del output
                # The rest is the interpreter's.
                self.assertLess(held() - before, 256 << 10)

    # fault: M5
    def test_an_idle_connection_does_not_hold_what_it_has_received(self):
        client, server = pair()
        frame = client.send(BytesMessage(bytes(8 << 20)))
        before = held()
        server.receive_data(frame)
        self.assertEqual(sum(len(event.data) for event in server.events()), 8 << 20)
        self.assertLess(held() - before, 256 << 10)


if __name__ == "__main__":
    print(wsproto.__file__, flush=True)
    unittest.main()
