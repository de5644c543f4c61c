# SPDX-License-Identifier: Apache-2.0
"""Programs that are started, talked to by lines, and ended: each in a process group of its own."""

import atexit
import collections
import itertools
import os
import queue
import random
import signal
import socket
import subprocess
import threading
import time

_running = set()
# Taken once more by a handler of a signal, which interrupts the thread that may have it.
_lock = threading.RLock()


def end_all():
    with _lock:
        left = list(_running)
    for program in left:
        program.end()


atexit.register(end_all)


# Below the range that systems take the ports of outgoing connections from: one of thousands could have it by then.
_ports = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))


def free_port():
    """A port of the loopback address that nothing listens at."""
    while True:
        port = next(_ports)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Program:
    """A process with its group; what it writes to standard error is in its log."""

    def __init__(self, command, log, folder, environment=None, stdin=None):
        self.log = open(log, "ab")
        self.command = command
        self.process = subprocess.Popen(
            command, stdin=stdin if stdin is not None else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log, cwd=folder, env=environment, start_new_session=True,
        )
        with _lock:
            _running.add(self)

    def end(self):
        """Kills the whole group, whether or not its leader has ended."""
        with _lock:
            if self not in _running:
                return
            _running.discard(self)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            try:
                if stream:
                    stream.close()
            except OSError:
                pass


Answer = collections.namedtuple("Answer", "status fields")


class Client:
    """A client program that takes commands by lines. One that does not answer in time is killed and started anew."""

    def __init__(self, name, command, log, folder, environment=None):
        self.name = name
        self._start = lambda: Program(command, log, folder, environment, stdin=subprocess.PIPE)
        self._program = None
        self._lines = None

    def ask(self, verb, *fields, seconds=20):
        """Carries out one command; an Answer whose status is `ok`, `cannot` or `failed`."""
        if self._program is None:
            self._program = self._start()
            self._lines = queue.Queue()
            threading.Thread(target=_read, args=(self._program.process.stdout, self._lines), daemon=True).start()
        line = "\t".join([verb, *map(str, fields)]) + "\n"
        try:
            self._program.process.stdin.write(line.encode())
            self._program.process.stdin.flush()
        except OSError:
            pass  # It has died; the queue says so.
        try:
            answer = self._lines.get(timeout=seconds)
        except queue.Empty:
            answer = None
            why = f"no answer in {seconds} s"
        else:
            why = "the client has died"
        if answer is None:
            self.end()
            return Answer("failed", [why])
        status, *rest = answer.split("\t")
        if status not in ("ok", "cannot", "failed"):
            return Answer("failed", [f"the client printed {answer[:100]!r}"])
        return Answer(status, rest)

    def end(self):
        if self._program:
            self._program.end()
            self._program = None


class Server:
    """A server program that prints a line of report for each connection that opens or ends."""

    def __init__(self, name, command, port, log, folder, environment=None):
        self.name = name
        self.port = port
        self._command = command
        self._log = log
        self._folder = folder
        self._environment = environment
        self._program = None
        self._reports = collections.defaultdict(list)
        self._changed = threading.Condition()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def start(self, seconds=30):
        """Returns what went wrong, or nothing once it listens."""
        if self._program is not None:
            if self._program.process.poll() is None:
                return None
            self._program.end()
        try:
            self._program = Program(self._command, self._log, self._folder, self._environment)
        except OSError as error:
            return str(error)
        threading.Thread(target=self._collect, args=(self._program.process.stdout,), daemon=True).start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._program.process.poll() is not None:
                self.end()
                return "the server has died at its start"
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return None
            time.sleep(0.05)
        self.end()
        return f"the server does not listen after {seconds} s"

    @property
    def has_died(self):
        return self._program is not None and self._program.process.poll() is not None

    def settle(self):
        """Gives a server that may be dying the time to be dead, so that the next to ask starts another."""
        if self._program:
            try:
                self._program.process.wait(0.3)
            except subprocess.TimeoutExpired:
                pass

    def _collect(self, stream):
        for line in stream:
            kind, target, *rest = (line.decode(errors="replace").rstrip("\n").split("\t") + [""])[:5]
            with self._changed:
                self._reports[target].append((kind, rest))
                self._changed.notify_all()

    def report(self, target, kind, seconds=5):
        """The fields of the first report of this kind about this target; `None` if there is none in time."""
        def found():
            return next((rest for one, rest in self._reports[target] if one == kind), None)

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, seconds)
            return found()

    def end(self):
        if self._program:
            self._program.end()
            self._program = None


def _read(stream, lines):
    try:
        for line in stream:
            lines.put(line.decode(errors="replace").rstrip("\r\n"))
    except ValueError:
        pass  # Closed while it was read.
    lines.put(None)
