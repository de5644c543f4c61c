# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client that can do everything wrong: bytes on a socket, with the few frames that the scenarios need."""

import os
import socket
import struct

HANDSHAKE = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b""):
    """A masked frame; the key is zero, so that the payload stays as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([0x80 | opcode]) + length + bytes(4) + payload


class Peer:
    def __init__(self, port, seconds=60, host="127.0.0.1", opens=True):
        self.socket = socket.create_connection((host, port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if opens:
            self.open()

    def open(self):
        self.socket.sendall(HANDSHAKE)
        head = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"refused: {head[:80]!r}")

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def _more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise EOFError("the transport has ended")
        self.buffer += data

    def send(self, opcode, payload=b""):
        self.socket.sendall(frame(opcode, payload))

    def next_frame(self):
        """The opcode and the payload of the next frame; EOFError at the end of the transport."""
        def need(count):
            while len(self.buffer) < count:
                self._more()

        need(2)
        opcode, size, start = self.buffer[0] & 15, self.buffer[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            need(2 + width)
            size, start = int.from_bytes(self.buffer[2:2 + width], "big"), 2 + width
        need(start + size)
        payload, self.buffer = self.buffer[start:start + size], self.buffer[start + size:]
        return opcode, payload

    def next(self):
        """The same, with pings answered."""
        while True:
            opcode, payload = self.next_frame()
            if opcode != PING:
                return opcode, payload
            self.send(PONG, payload)

    def echo(self, text=None):
        """Sends a text and waits for its echo."""
        text = text or os.urandom(8).hex().encode()
        self.send(TEXT, text)
        got = self.next()
        if got != (TEXT, text):
            raise ValueError(f"{got} is not the echo of {text}")

    def close(self):
        self.socket.close()
