# SPDX-License-Identifier: Apache-2.0
"""A connection between two ends that each have a thread that sends and one that receives.

Usage: two_threads.py SECONDS FOLDER - FOLDER is where wsproto must come from. Prints one line per check.
"""

import json
import os
import queue
import random
import socket
import sys
import threading
import time

import wsproto
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection, BytesMessage, CloseConnection, Message, Ping, Pong, Request, TextMessage,
)
from wsproto.extensions import PerMessageDeflate

SECONDS, FOLDER = float(sys.argv[1]), sys.argv[2]
failures = 0
sys.setswitchinterval(1e-5)


def check(name, fine, detail=""):
    global failures
    failures += not fine
    print(json.dumps({"check": name, "ok": bool(fine), "detail": str(detail)[:200]}), flush=True)


NOISE = random.Random(1).randbytes(1 << 20)


def message(number):
    """Message `number` of either end."""
    size = (0, 1, 125, 126, 700, 4096, 65536, 200000)[number * 7 % 8 if number % 50 == 0 else number * 7 % 6]
    if number % 2:
        return f"{number} \u2202\U0001f44b " * (size // 10)
    return NOISE[number % 1000:number % 1000 + size]


class End:
    def __init__(self, role, transport, until):
        self.ws, self.transport, self.until = WSConnection(role), transport, until
        self.pongs = queue.SimpleQueue()
        self.opened = threading.Event()
        self.sent = self.received = self.pinged = self.ponged = 0
        self.problems = []
        self.threads = [threading.Thread(target=self.guarded, args=(body,)) for body in (self.sending, self.receiving)]

    def guarded(self, body):
        try:
            body()
        except BaseException as error:
            self.problems.append(f"{body.__name__}: {type(error).__name__}: {error}")
            self.transport.shutdown(socket.SHUT_RDWR)

    def write(self, event):
        self.transport.sendall(self.ws.send(event))

    def sending(self):
        if self.ws.client:
            self.write(Request("example.com", "/", extensions=[PerMessageDeflate()]))
        if not self.opened.wait(60):
            raise TimeoutError("not opened")
        while time.monotonic() < self.until:
            while not self.pongs.empty():
                self.write(Pong(self.pongs.get()))
            data = message(self.sent)
            kind = TextMessage if isinstance(data, str) else BytesMessage
            if self.sent % 5 == 4:
                # Not between the parts: wsproto 1.2.0 takes the second one for uncompressed then.
                self.write(Ping(b"%d" % self.pinged))
                self.pinged += 1
                self.write(kind(data[:len(data) // 2], message_finished=False))
                self.write(kind(data[len(data) // 2:]))
            else:
                self.write(kind(data))
            self.sent += 1
            assert self.ws.state is ConnectionState.OPEN
        if self.ws.client:
            # Behind all of the server's messages too: it sends none once it has read the Close.
            self.other.threads[0].join(60)
            self.write(CloseConnection(1000, "done"))

    def receiving(self):
        parts = []
        while self.ws.state is not ConnectionState.CLOSED:
            data = self.transport.recv(65536)
            if not data:
                raise EOFError("the transport has ended")
            self.ws.receive_data(data)
            for event in self.ws.events():
                if isinstance(event, Request):
                    self.write(AcceptConnection(extensions=[PerMessageDeflate()]))
                    self.opened.set()
                elif isinstance(event, AcceptConnection):
                    self.opened.set()
                elif isinstance(event, Message):
                    parts.append(event.data)
                    if event.message_finished:
                        wanted = message(self.received)
                        found = type(event.data)().join(parts)
                        if found != wanted:
                            raise AssertionError(f"message {self.received} is {found!r:.60}, not {wanted!r:.60}")
                        self.received += 1
                        parts = []
                elif isinstance(event, Ping):
                    self.pongs.put(bytes(event.payload))
                elif isinstance(event, Pong):
                    if event.payload != b"%d" % self.ponged:
                        raise AssertionError(f"pong {self.ponged} is {event.payload!r}")
                    self.ponged += 1
                elif isinstance(event, CloseConnection):
                    if event.code != 1000:
                        raise AssertionError(f"closed with {event.code}: {event.reason}")
                    if self.ws.state is ConnectionState.REMOTE_CLOSING:
                        # The thread that sends has ended, or is about to.
                        self.threads[0].join(60)
                        self.write(event.response())


# fault: B1
check("the module in use is the one expected", wsproto.__file__.startswith(FOLDER + os.sep), wsproto.__file__)
pair = socket.socketpair()
until = time.monotonic() + SECONDS
ends = [End(ConnectionType.CLIENT, pair[0], until), End(ConnectionType.SERVER, pair[1], until)]
ends[0].other = ends[1]
threads = [thread for end in ends for thread in end.threads]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(SECONDS + 240)
check("all threads have ended", not any(thread.is_alive() for thread in threads))
problems = [f"{end.ws}: {problem}" for end in ends for problem in end.problems]
check("no errors", not problems, problems)
client, server = ends
check(f"two threads an end for {SECONDS:g} s: each message has arrived",
      0 < client.sent == server.received and 0 < server.sent == client.received,
      f"{client.sent} and {server.sent} sent, {server.received} and {client.received} received, "
      f"{client.ponged + server.ponged} pongs")
sys.stdout.flush()
os._exit(1 if failures else 0)
