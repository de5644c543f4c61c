# SPDX-License-Identifier: Apache-2.0
"""What the Python contenders share; the formats and rules are in Benchmarks/README.md."""

import argparse
import json
import struct
import sys
import time

ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = (
    b"GET /chat?room=7 HTTP/1.1\r\n"
    b"Host: server.example.com:8080\r\n"
    b"Connection: Upgrade\r\n"
    b"Pragma: no-cache\r\n"
    b"Cache-Control: no-cache\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/126.0.0.0 Safari/537.36\r\n"
    b"Upgrade: websocket\r\n"
    b"Origin: http://server.example.com:8080\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: en-US,en;q=0.9\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    b"\r\n"
)


class Totals:
    def __init__(self):
        self.messages = 0
        self.payload_bytes = 0
        self.output_bytes = 0
        self.checksum = 0

    def add(self, payload, opcode):
        """A delivered message: its length * 31 + first byte + last byte + opcode."""
        length = len(payload)
        self.messages += 1
        self.payload_bytes += length
        self.checksum += length * 31 + opcode + (payload[0] + payload[-1] if length else 0)

    def add_frame(self, frame, payload):
        """An encoded frame: its length * 31 + its first two bytes + its last payload byte, unmasked."""
        last = 0
        if payload:
            last = frame[-1]
            if frame[1] & 0x80:
                last ^= frame[len(frame) - payload - 4 + ((payload - 1) & 3)]
        self.messages += 1
        self.payload_bytes += payload
        self.output_bytes += len(frame)
        self.checksum += len(frame) * 31 + frame[0] + frame[1] + last


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("operation", choices=["decode", "encode", "deflate", "handshake"])
    parser.add_argument("--input")
    parser.add_argument("--chunk", default="65536")
    parser.add_argument("--min-seconds", type=float, default=0.5)
    parser.add_argument("--role", choices=["client", "server"], default="server")
    parser.add_argument("--opcode", choices=["text", "binary"], default="binary")
    parser.add_argument("--level", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def reads(path, chunk):
    """The reads of a decode input: of `chunk` bytes, or one frame each, of at most 512 KiB."""
    with open(path, "rb") as file:
        data = file.read()
    if chunk != "frame":
        size = int(chunk)
        return [data[i : i + size] for i in range(0, len(data), size)]
    result = []
    at = 0
    while at < len(data):
        length = data[at + 1] & 0x7F
        header = 2 + (4 if data[at + 1] & 0x80 else 0)
        if length == 126:
            length = struct.unpack_from(">H", data, at + 2)[0]
            header += 2
        elif length == 127:
            length = struct.unpack_from(">Q", data, at + 2)[0]
            header += 8
        end = at + header + length
        while at < end:
            result.append(data[at : min(end, at + (512 << 10))])
            at += len(result[-1])
    return result


def messages(path):
    """The messages of an encode or deflate input, each behind its length."""
    with open(path, "rb") as file:
        data = file.read()
    result = []
    at = 0
    while at < len(data):
        length = struct.unpack_from(">I", data, at)[0]
        result.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return result


def measure(peer, version, operation, api, args, one_pass):
    """One pass to warm up, then passes until --min-seconds of process CPU time are spent."""
    first = Totals()
    one_pass(first)
    assert first.messages, "no message came out"
    passes = 0
    start = time.process_time()
    while True:
        totals = Totals()
        one_pass(totals)
        assert (totals.messages, totals.checksum) == (first.messages, first.checksum), "two passes differ"
        passes += 1
        elapsed = time.process_time() - start
        if elapsed >= args.min_seconds:
            break
    ns = elapsed * 1e9 / (passes * first.messages)
    rate = first.payload_bytes * passes / elapsed / 1e9
    checksum = first.checksum % 2**64
    if args.json:
        report = {
            "peer": peer,
            "version": version,
            "operation": operation,
            "role": args.role,
            "api": api,
            "chunk": 0 if args.chunk == "frame" else int(args.chunk),
            "messages": first.messages,
            "payload_bytes": first.payload_bytes,
            "output_bytes": first.output_bytes,
            "passes": passes,
            "cpu_seconds": round(elapsed, 6),
            "ns_per_message": round(ns, 3),
            "gb_per_s": round(rate, 4),
            "checksum": str(checksum),
        }
        print(json.dumps(report))
    else:
        print(f"{peer} {operation} ({args.role}, {api}): {ns:.1f} ns a message, {rate:.4f} GB/s, "
              f"{first.messages} messages, checksum {checksum}")
    sys.stdout.flush()
