# SPDX-License-Identifier: Apache-2.0
"""What the peers written in Python share: the commands of a client, the paths of a server.

A peer gives an adapter of one connection, with coroutines or plain functions:

    send(kind, data)                   data is bytes, UTF-8 for a text
    send_parts(kind, parts, ping)      a message in frames, `ping` (or None) behind the first
    receive() -> (kind, data)          raises Closed(code, reason) at the end
    close(code, reason) -> (code, reason) that the other end sent
    reset()
    ponged(payload)                    waits for a pong; only a client's
    subprotocol, extensions            what was agreed; `?` for what it does not tell
"""

import asyncio
import ctypes
import inspect
import socket
import struct
import sys

SUBPROTOCOL = "zoo.v1"
UNKNOWN = "?"
BITS = "_max_window_bits"
TAKEOVER = "_no_context_takeover"


class Closed(Exception):
    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code = 1006 if code is None else code
        self.reason = reason or ""


class Cannot(Exception):
    pass


def report(*fields):
    # A line at once, since threads may report.
    sys.stdout.write("\t".join(map(str, fields)) + "\n")
    sys.stdout.flush()


async def settle(value):
    return await value if inspect.isawaitable(value) else value


def offered(offer):
    """The parameters of an offer; the value of one that has none is True."""
    if offer == "bare":
        return {}
    parts = [part.strip().partition("=") for part in offer.split(";")]
    return {name: int(value) if value else True for name, _, value in parts}


def reset_socket(connection):
    """Closing this socket will be a reset in place of an orderly end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_descriptor(descriptor):
    """Drops the connection with a reset at once; the descriptor stays open."""
    # A socket that is connected to nothing, which Python has no call for, but the C library has.
    unspecified = ctypes.create_string_buffer(16)
    ctypes.CDLL(None).connect(descriptor, unspecified, 16)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def cut(kind, data, count):
    """`count` parts; those of a text end where characters do."""
    ends = [len(data) * number // count for number in range(1, count + 1)]
    if kind == "text":
        for index, end in enumerate(ends):
            while end < len(data) and data[end] & 0xC0 == 0x80:
                end += 1
            ends[index] = end
    return [data[start:end] for start, end in zip([0, *ends], ends)]


# MARK: Clients


async def _expect(connection, kind, data):
    got_kind, got = await settle(connection.receive())
    if (got_kind, got) != (kind, data):
        raise AssertionError(f"got {got_kind} of {len(got)} bytes, sent {kind} of {len(data)}")


async def _command(open_connection, verb, url, fields):
    offer = fields.pop(0) if verb == "echo" else "default"
    subprotocols = [name for name in fields[0].split(",") if name] if verb == "subprotocols" else []
    connection = await settle(open_connection(url, offer, subprotocols))
    if verb == "echo":
        for kind, path in zip(fields[::2], fields[1::2]):
            data = read(path)
            await settle(connection.send(kind, data))
            await _expect(connection, kind, data)
        await settle(connection.close(1000, ""))
        return [getattr(connection, "extensions", UNKNOWN)]
    if verb == "flood":
        kind, data, count = fields[0], read(fields[1]), int(fields[2])
        for _ in range(count):
            await settle(connection.send(kind, data))
        for _ in range(count):
            await _expect(connection, kind, data)
        await settle(connection.close(1000, ""))
        return []
    if verb in ("fragments", "ping"):
        kind, data, count = fields[0], read(fields[1]), int(fields[2])
        ping = b"zoo" if verb == "ping" else None
        await settle(connection.send_parts(kind, cut(kind, data, count), ping))
        if ping:
            await settle(connection.ponged(ping))
        await _expect(connection, kind, data)
        await settle(connection.close(1000, ""))
        return []
    if verb == "close":
        return await settle(connection.close(int(fields[0]), fields[1]))
    if verb in ("closed", "lost"):
        text = "zoo" if verb == "lost" else f"{fields[0]} {fields[1]}"
        await settle(connection.send("text", text.encode()))
        try:
            got = await settle(connection.receive())
        except Closed as end:
            return [end.code, end.reason]
        raise AssertionError(f"got {got[0]} of {len(got[1])} bytes in place of a close")
    if verb == "reset":
        await settle(connection.send("text", b"zoo"))
        await _expect(connection, "text", b"zoo")
        await settle(connection.reset())
        return []
    if verb == "subprotocols":
        await settle(connection.send("text", b"zoo"))
        await _expect(connection, "text", b"zoo")
        await settle(connection.close(1000, ""))
        return [connection.subprotocol or ""]
    raise Cannot("the peer knows no such command")


def answer(kind, *fields):
    text = "\t".join(str(field).replace("\t", " ").replace("\n", " ") for field in fields)
    report(kind, text) if fields else report(kind)


async def run_client(open_connection):
    """Commands until the end of standard input."""
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.buffer.readline)
        if not line:
            return
        verb, url, *fields = line.decode().rstrip("\n").split("\t")
        try:
            answer("ok", *await _command(open_connection, verb, url, fields))
        except Cannot as error:
            answer("cannot", error)
        except Exception as error:  # Whatever a peer raises is its answer.
            answer("failed", f"{type(error).__name__}: {error}"[:300])


# MARK: Servers


async def converse(connection, target):
    """What a server does with one connection, by its path."""
    path = target.partition("?")[0]
    try:
        first = True
        while True:
            kind, data = await settle(connection.receive())
            if path == "/close":
                code, _, reason = data.decode().partition(" ")
                code, reason = await settle(connection.close(int(code), reason))
                raise Closed(code, reason)
            if path == "/reset":
                return await settle(connection.reset())
            if path in ("/fragments", "/ping"):
                pinged = path == "/ping"
                await settle(connection.send_parts(kind, cut(kind, data, 2 if pinged else 3), b"zoo" if pinged else None))
                continue
            for _ in range(10 if path == "/flood" and first else 1):
                await settle(connection.send(kind, data))
            first = False
    except Closed as end:
        report("closed", target, end.code, end.reason)


# MARK: Both


def main(version, client=None, server=None):
    """`client(url, offer, subprotocols)` opens a connection; `server(port)` serves for ever."""
    role, *rest = sys.argv[1:]
    if role == "version":
        print(version)
    elif role == "client":
        asyncio.run(run_client(client))
    elif inspect.iscoroutinefunction(server):
        asyncio.run(server(int(rest[0])))
    else:
        server(int(rest[0]))
