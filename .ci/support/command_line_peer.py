# SPDX-License-Identifier: Apache-2.0
"""Raw ends of WebSocket connections, for what no library would do: half handshakes, drips, frames behind a Close; and how
checks wait for something."""

import base64
import hashlib
import os
import socket
import struct
import sys
import threading
import time

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def until(what, condition, details=lambda: "", seconds=60):
    """Waits, long enough for machines that have other things to do; ends the check if it is in vain."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"{os.path.basename(sys.argv[0])}: {what}: not within {seconds} s: {details()}")
        time.sleep(0.05)


def frame(opcode, payload=b"", masked=False, last=True):
    head = bytes([(0x80 if last else 0) | opcode])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    # A key of zeros is legal, and leaves the payload readable.
    return head + (bytes(4) if masked else b"") + payload


def close_payload(code, reason=""):
    return struct.pack(">H", code) + reason.encode()


class Stream:
    """A socket that is read frame by frame."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.eof = False

    def fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            self.eof = True
            raise EOFError
        self.buffer += data

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        return head

    def frame(self):
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.take(8))
        key = self.take(4) if second & 0x80 else None
        payload = self.take(length)
        if key and any(key):
            mask = (key * (length // 4 + 1))[:length]
            payload = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
        return first & 0x0F, payload

    def accept(self, fields=b""):
        """Answers a client's request, with further fields, each behind a line end."""
        head = self.head()
        key = next(line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        token = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.sock.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + token + fields + b"\r\n\r\n"
        )
        return head

    def read_to_end(self):
        """All frames until the transport ends, as far as they are complete."""
        frames = []
        try:
            while True:
                frames.append(self.frame())
        except (EOFError, OSError):
            return frames


def open_client(port, fields=b""):
    """A client whose handshake is done, with further fields, each with its line end."""
    stream = Stream(socket.create_connection(("127.0.0.1", port), timeout=60))
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sock.sendall(
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n".encode() + fields + b"\r\n"
    )
    assert stream.head().startswith(b"HTTP/1.1 101")
    return stream


class Server:
    """Runs `script` with the stream of each connection, in threads; its results are in `results`."""

    def __init__(self, script, wrap=None):
        self.script, self.wrap = script, wrap
        self.results = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = []

    def __enter__(self):
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            thread.start()
            self.threads.append(thread)

    def serve(self, sock):
        sock.settimeout(60)
        try:
            if self.wrap:
                sock = self.wrap(sock)
            self.results.append(self.script(Stream(sock)))
        except (EOFError, OSError):
            pass
        finally:
            sock.close()

    def finished(self):
        for thread in self.threads:
            thread.join(60)
        return self.results

    def __exit__(self, *_):
        self.listener.close()
