# SPDX-License-Identifier: Apache-2.0
"""The testee's processes, with the lines that they print."""

import os
import re
import resource
import signal
import subprocess
import threading
import time


class Unexpected(Exception):
    """Not the documented outcome."""


class Program:
    """A process whose lines can be waited for."""

    running = set()

    def __init__(self, command, log, descriptors=None):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.lines = []
        self.changed = threading.Condition()
        self.log = open(log, "a", encoding="utf-8")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        preexec_fn=limit if descriptors else None)
        Program.running.add(self)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, pattern, after=0, seconds=60):
        """The match of the first line from this index on that begins with the pattern."""
        expression = re.compile(pattern)
        until = time.monotonic() + seconds
        with self.changed:
            while True:
                for line in self.lines[after:]:
                    match = expression.match(line)
                    if match:
                        return match
                left = until - time.monotonic()
                if left <= 0:
                    raise Unexpected(f"no line '{pattern}' in {seconds} s; the last were {self.lines[-3:]}")
                self.changed.wait(min(left, 0.5))

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kilobytes(self):
        """The memory that the process has."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        if self in Program.running:
            Program.running.discard(self)
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.log.close()

    def wait(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Unexpected(f"still there after {seconds} s") from None


class Server(Program):
    """The echo server; `port` where it has been before."""

    def __init__(self, testee, log, *options, port=0, descriptors=None, prefix=()):
        super().__init__([*prefix, *testee, "echo-server", "--port", str(port), *map(str, options)], log, descriptors)
        self.port = int(self.wait_for(r"listening (\d+)")[1])


class Client(Program):
    """The client that comes back."""

    def __init__(self, testee, log, url, *options, prefix=()):
        super().__init__([*prefix, *testee, "counter", "--url", url, *map(str, options)], log)

    def echoes(self, count, after=0):
        """Waits for so many echoes more; the number of lines then."""
        for _ in range(count):
            self.wait_for("echoed", after)
            with self.changed:
                after = next(index for index in range(after, len(self.lines)) if self.lines[index].startswith("echoed")) + 1
        return after


def end_all(*_):
    for program in list(Program.running):
        program.end()
