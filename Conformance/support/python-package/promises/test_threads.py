# SPDX-License-Identifier: Apache-2.0
"""One object may be used by many threads."""

import itertools
import sys
import threading
import time
import unittest

from ends import pair
from wsproto.connection import CLIENT, SERVER, Connection, ConnectionState
from wsproto.events import BytesMessage, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameDecoder, FrameProtocol

THREADS, ROUNDS = 4, 400


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
        until = time.monotonic() + 240
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))
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
