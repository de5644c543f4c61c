# SPDX-License-Identifier: Apache-2.0
"""The seeded generator of cases. A case is a plain dictionary, so that it can be printed and shrunk.

kind "frames":   bytes received by `role` on an open connection
kind "request":  an opening handshake received by a server
kind "response": an opening handshake received by a client; `{accept}` stands for the right token

`door` says which level is driven: "connection" (events) or "frame" (the frame protocol).
`cuts` are the places at which the stream is split into reads.
"""

import base64
import random
import struct
import zlib

TEXTS = ["", "a", "Hello", "Grüße", "κόσμε", "日本語", "👋🏽", "\ufeffbom", "\U0010ffff", "x" * 125, "y" * 126, "é" * 70]
BAD_UTF8 = [
    b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xf0\x9f\x91", b"\x80", b"\xc3(",
    b"\xf5\x80\x80\x80", b"\xe0\x80\xaf",
]
CLOSE_CODES = [
    0, 1, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1015, 1016,
    1100, 1999, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535,
]
CONTROL = (8, 9, 10)


def mask(payload, key):
    if not payload:
        return b""
    stretched = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(payload), "big")


def encode(frame, masked, key):
    """A frame as written by a peer that may cheat: every field is taken from the dictionary."""
    payload = frame["payload"]
    length = frame.get("length", len(payload))
    form = frame.get("form") or (7 if length < 126 else 16 if length < 65536 else 64)
    masked ^= frame.get("wrong_mask", False)
    head = bytes([frame["fin"] << 7 | frame["rsv"] << 4 | frame["opcode"]])
    bit = 0x80 if masked else 0
    if form == 7:
        head += bytes([bit | (length & 0x7F)])
    elif form == 16:
        head += bytes([bit | 126]) + struct.pack("!H", length & 0xFFFF)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", length)
    return head + (key + mask(payload, key) if masked else payload)


def payload_of(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(TEXTS).encode()
    if kind < 0.9:
        return ("".join(rng.choice("abcdefghij ∂é👋\n") for _ in range(rng.randrange(0, 200)))).encode()
    if kind < 0.97:
        return rng.choice([b"ab ", b"xyz", b"0123456789"]) * rng.randrange(1, 400)
    return b"r" * rng.choice([65535, 65536, 65537, 70001])


class Deflater:
    """The peer's compressor: what it may legally do within the negotiated window."""

    def __init__(self, rng, bits, reset):
        self.rng, self.bits, self.reset = rng, bits, reset
        self.compressor = None

    def message(self, data):
        rng = self.rng
        if self.compressor is None or self.reset:
            level = rng.choice([0, 1, 6, 9])
            strategy = rng.choice([zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY])
            self.compressor = zlib.compressobj(level, zlib.DEFLATED, -self.bits, 8, strategy)
        out = b""
        if rng.random() < 0.2 and len(data) > 4:
            # RFC 7692 §7.2.3.6: several blocks, flushed differently.
            cut = rng.randrange(1, len(data))
            out += self.compressor.compress(data[:cut])
            out += self.compressor.flush(rng.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
            data = data[cut:]
        if rng.random() < 0.04:
            # RFC 7692 §7.2.3.4: a block with BFINAL set, and the byte that makes the appended block well-formed.
            out += self.compressor.compress(data) + self.compressor.flush(zlib.Z_FINISH) + b"\x00"
            self.compressor = None
            return out
        out += self.compressor.compress(data) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        return out[:-4]


def plain(opcode, payload, fin=1, rsv=0):
    return {"fin": fin, "rsv": rsv, "opcode": opcode, "payload": payload}


def control(rng):
    if rng.random() < 0.7:
        return plain(9, rng.randbytes(rng.choice([0, 1, 5, 125])))
    return plain(10, rng.randbytes(rng.choice([0, 3, 124])))


def close(rng):
    kind = rng.random()
    if kind < 0.1:
        return plain(8, b"")
    if kind < 0.15:
        return plain(8, b"\x03")
    code = rng.choice(CLOSE_CODES) if rng.random() < 0.5 else 1000
    reason = rng.choice(["", "bye", "Grüße ∂", "z" * 123]).encode()
    if rng.random() < 0.1:
        reason += rng.choice(BAD_UTF8)
    return plain(8, struct.pack("!H", code) + reason[:123])


def messages(rng, deflater):
    frames = []
    for _ in range(rng.randrange(1, 5)):
        if rng.random() < 0.25:
            frames.append(control(rng))
        opcode = rng.choice([1, 2])
        data = payload_of(rng)
        if opcode == 1 and rng.random() < 0.12:
            place = rng.randrange(0, len(data) + 1)
            data = data[:place] + rng.choice(BAD_UTF8) + data[place:]
        rsv = 0
        if deflater and rng.random() < 0.8:
            data, rsv = deflater.message(data), 4
            if rng.random() < 0.08 and data:
                # Corrupt or truncate what zlib will see.
                place = rng.randrange(len(data))
                changed = bytes([data[place] ^ (1 << rng.randrange(8))])
                data = rng.choice([data[:place], data[:place] + changed + data[place + 1 :]])
        count = rng.choice([1, 1, 1, 2, 3, 4])
        edges = sorted(rng.randrange(0, len(data) + 1) for _ in range(count - 1))
        pieces = [data[a:b] for a, b in zip([0] + edges, edges + [len(data)])]
        for number, piece in enumerate(pieces):
            if number and rng.random() < 0.2:
                frames.append(control(rng))
            frames.append(plain(0 if number else opcode, piece, int(number == len(pieces) - 1), 0 if number else rsv))
        if frames and rng.random() < 0.02:
            frames.append(close(rng))
    return frames


def spoil(rng, frames):
    """One violation of the framing rules."""
    frame = rng.choice(frames)
    kind = rng.randrange(11)
    if kind == 0:
        frame["rsv"] ^= rng.choice([1, 2, 4])
    elif kind == 1:
        frame["opcode"] = rng.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    elif kind == 2:
        frame["fin"] ^= 1
    elif kind == 3:
        frame["wrong_mask"] = True
    elif kind == 4:
        frame["form"] = rng.choice([16, 64])
    elif kind == 5:
        frame["form"], frame["length"] = 64, len(frame["payload"]) | 1 << 63
    elif kind == 6:
        frame["opcode"], frame["rsv"] = rng.choice(CONTROL), 0
    elif kind == 7:
        frame["opcode"] = 0
    elif kind == 8:
        frame["opcode"] = rng.choice([1, 2])
    elif kind == 9:
        frame["payload"] += rng.randbytes(rng.choice([1, 126]))
    else:
        frames.insert(rng.randrange(len(frames) + 1), close(rng))


def damage(rng, data):
    """One change of the bytes themselves."""
    if not data:
        return data
    place = rng.randrange(len(data))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
    if kind == 2:
        return data[:place] + data[place + rng.randrange(1, 5) :]
    if kind == 3:
        return data[:place] + rng.randbytes(rng.randrange(1, 5)) + data[place:]
    return data[:place] + data[max(0, place - 8) :]


def split(rng, length):
    kind = rng.random()
    if kind < 0.4 or length < 2:
        return []
    if kind < 0.55 and length < 700:
        return list(range(1, length))
    return sorted({rng.randrange(1, length) for _ in range(rng.randrange(1, 8))})


def frames_case(rng):
    role = rng.choice(["client", "server"])
    pmd = None
    deflater = None
    if rng.random() < 0.45:
        pmd = {
            "client_no_context_takeover": rng.random() < 0.3,
            "server_no_context_takeover": rng.random() < 0.3,
            "client_max_window_bits": rng.choice([9, 10, 12, 15, 15, 15]),
            "server_max_window_bits": rng.choice([9, 10, 12, 15, 15, 15]),
        }
        peer = "server" if role == "client" else "client"
        deflater = Deflater(rng, pmd[f"{peer}_max_window_bits"], pmd[f"{peer}_no_context_takeover"])
    frames = messages(rng, deflater)
    if rng.random() < 0.5:
        frames.append(close(rng))
        if rng.random() < 0.2:
            frames.append(control(rng))
    for _ in range(rng.choice([0, 0, 0, 1, 1, 2])):
        spoil(rng, frames)
    data = b"".join(encode(frame, role == "server", rng.randbytes(4)) for frame in frames)
    for _ in range(rng.choice([0, 0, 0, 0, 1, 2])):
        data = damage(rng, data)
    door = rng.choice(["connection", "connection", "frame"])
    return {
        "kind": "frames", "role": role, "door": door, "pmd": pmd, "data": data, "cuts": split(rng, len(data)),
        "closing": door == "connection" and rng.random() < 0.1, "eof": door == "connection" and rng.random() < 0.3,
    }


# Handshakes

OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits=10; server_max_window_bits=11",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate;server_max_window_bits=9",
    'permessage-deflate; server_max_window_bits="12"',
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; client_max_window_bits=8",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=09",
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; client_max_window_bits=x",
    "permessage-deflate; server_no_context_takeover=1",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; unknown",
    "permessage-deflate; client_no_context_takeover_not",
    "permessage-deflate; server_max_window_bits=8, permessage-deflate",
    "permessage-deflate; unknown=1, permessage-deflate; server_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=10, permessage-deflate; server_max_window_bits=12",
    "x-webkit-deflate-frame, permessage-deflate",
    'foo; bar="a, b", permessage-deflate',
    "foo; bar",
    "Permessage-Deflate",
    "permessage-deflate;",
    "permessage-deflate; =1",
    ", permessage-deflate ,",
    "",
    "permessage-deflate client_max_window_bits",
]


def request_case(rng):
    key = base64.b64encode(rng.randbytes(16)).decode()
    case = {
        "kind": "request", "start": "GET /chat?x=1 HTTP/1.1",
        "fields": [
            ["Host", "example.com"], ["Upgrade", "websocket"], ["Connection", "Upgrade"],
            ["Sec-WebSocket-Key", key], ["Sec-WebSocket-Version", "13"],
        ],
        "trailing": b"", "cuts": [], "eof": False, "role": "server",
    }
    fields = case["fields"]
    if rng.random() < 0.5:
        fields.append(["Origin", "http://example.com"])
    if rng.random() < 0.4:
        fields.append(["Sec-WebSocket-Protocol", rng.choice(["chat", "other, chat", "other", "superchat,chat", "chat,, x"])])
        if rng.random() < 0.2:
            fields.append(["Sec-WebSocket-Protocol", "superchat"])
    if rng.random() < 0.6:
        fields.append(["Sec-WebSocket-Extensions", rng.choice(OFFERS)])
        if rng.random() < 0.15:
            fields.append(["Sec-WebSocket-Extensions", rng.choice(OFFERS)])
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        kind = rng.randrange(14)
        if kind == 0:
            del fields[rng.randrange(len(fields))]
        elif kind == 1:
            fields.insert(rng.randrange(len(fields) + 1), list(rng.choice(fields)))
        elif kind == 2:
            rng.shuffle(fields)
        elif kind == 3:
            field = rng.choice(fields)
            field[0] = rng.choice([str.lower, str.upper])(field[0])
        elif kind == 4:
            set_field(fields, "Connection", rng.choice(["keep-alive, Upgrade", "upgrade", "keep-alive", "UPGRADE,", "x Upgrade", ""]))
        elif kind == 5:
            set_field(fields, "Upgrade", rng.choice(["WebSocket", "WEBSOCKET", "h2c", "websocket, h2c", "websocket/13", ""]))
        elif kind == 6:
            set_field(fields, "Sec-WebSocket-Version", rng.choice(["8", "12", "14", "013", "13, 8", "", "x", "255"]))
        elif kind == 7:
            set_field(fields, "Sec-WebSocket-Key", rng.choice([
                "", "short", base64.b64encode(rng.randbytes(15)).decode(), base64.b64encode(rng.randbytes(17)).decode(),
                key[:-1], "!" * 24, key + "=", " " + key]))
        elif kind == 8:
            case["start"] = rng.choice([
                "POST /chat HTTP/1.1", "get / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/2.0", "GET  / HTTP/1.1", "GET /",
                "GET http://example.com/chat HTTP/1.1", "GET /%41?b=%zz HTTP/1.1", "OPTIONS * HTTP/1.1"])
        elif kind == 9:
            set_field(fields, "Host", rng.choice(["example.com:8080", "[::1]:80", "xn--7ks3rz39bh7u", "", "a b", "127.0.0.1"]))
        elif kind == 10:
            fields.append(["X-Extra", rng.choice(["y" * 300, "tab\there", "  spaces  ", "é", "a,b;c=d"])])
        elif kind == 11:
            fields.append([rng.choice(["Content-Length", "Transfer-Encoding"]), rng.choice(["0", "5", "chunked"])])
        elif kind == 12:
            fields.append(["X Bad", "1"])
        else:
            case["cut_end"] = True
    finish_handshake(rng, case)
    return case


def set_field(fields, name, value):
    for field in fields:
        if field[0].lower() == name.lower():
            field[1] = value
            return
    fields.append([name, value])


ANSWERS = [
    "permessage-deflate",
    "permessage-deflate; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=10",
    "permessage-deflate; client_max_window_bits=10; server_max_window_bits=11",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
    'permessage-deflate; server_max_window_bits="12"',
    "permessage-deflate; server_max_window_bits=8",
    "permessage-deflate; client_max_window_bits=8; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=x",
    "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
    "permessage-deflate; unknown; server_max_window_bits=15",
    "permessage-deflate; server_max_window_bits=15, permessage-deflate; server_max_window_bits=15",
    "foo",
    "foo, permessage-deflate; server_max_window_bits=15",
    "",
    "permessage-deflate; server_max_window_bits=15;",
]


def response_case(rng):
    case = {
        "kind": "response", "start": "HTTP/1.1 101 Switching Protocols",
        "fields": [["Upgrade", "websocket"], ["Connection", "Upgrade"], ["Sec-WebSocket-Accept", "{accept}"]],
        "trailing": b"", "cuts": [], "eof": False, "role": "client",
    }
    fields = case["fields"]
    if rng.random() < 0.3:
        fields.append(["Sec-WebSocket-Protocol", rng.choice(["chat", "superchat", "other", "chat, superchat", "", "Chat"])])
    if rng.random() < 0.5:
        fields.append(["Sec-WebSocket-Extensions", rng.choice(ANSWERS)])
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        kind = rng.randrange(11)
        if kind == 0:
            del fields[rng.randrange(len(fields))]
            if not fields:
                break
        elif kind == 1:
            fields.append(list(rng.choice(fields)))
        elif kind == 2:
            rng.shuffle(fields)
        elif kind == 3:
            field = rng.choice(fields)
            field[0] = rng.choice([str.lower, str.upper])(field[0])
        elif kind == 4:
            set_field(fields, "Connection", rng.choice(["keep-alive, Upgrade", "upgrade", "close", "x Upgrade", ""]))
        elif kind == 5:
            set_field(fields, "Upgrade", rng.choice(["WebSocket", "h2c", "websocket, h2c", ""]))
        elif kind == 6:
            set_field(fields, "Sec-WebSocket-Accept", rng.choice(["", "x", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "{accept}=", "{accept} "]))
        elif kind == 7:
            case["start"] = rng.choice([
                "HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.0 101 Switching Protocols", "HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request",
                "HTTP/1.1 403 Forbidden", "HTTP/1.1 302 Found", "HTTP/1.1 1011 X", "HTTP/1.1 abc X", "HTTP/2 101 X", "ICY 200 OK"])
            if " 101" not in case["start"] and rng.random() < 0.7:
                fields.append(["Content-Length", "5"])
                case["body"] = b"Hello"
        elif kind == 8:
            case["interim"] = rng.choice([
                "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"])
        elif kind == 9:
            fields.append(["X-Extra", rng.choice(["y" * 300, "tab\there", "é", "a,b;c=d"])])
        else:
            case["cut_end"] = True
    finish_handshake(rng, case)
    return case


def finish_handshake(rng, case):
    if rng.random() < 0.35:
        masked = case["kind"] == "request"
        case["trailing"] = encode(plain(1, b"first"), masked, rng.randbytes(4))
    if rng.random() < 0.05:
        case["fold"] = True
    length = 200
    if rng.random() < 0.3:
        case["cuts"] = sorted({rng.randrange(1, length) for _ in range(rng.randrange(1, 5))})
    elif rng.random() < 0.1:
        case["cuts"] = list(range(1, length))
    if rng.random() < 0.06:
        # Raw damage: see compare.survival_only.
        case["flip"] = [rng.randrange(length), rng.randrange(1, 256)]


def handshake_bytes(case, accept=""):
    lines = [case["start"]] + [f"{name}: {value}" for name, value in case["fields"]]
    if case.get("fold") and len(lines) > 2:
        lines.insert(2, " folded")
    head = case.get("interim", "") + "\r\n".join(lines) + "\r\n\r\n"
    data = head.replace("{accept}", accept).encode("latin-1")
    if case.get("cut_end"):
        return data[:-3]
    if "flip" in case:
        place, value = case["flip"]
        place %= len(data)
        data = data[:place] + bytes([data[place] ^ value]) + data[place + 1 :]
    return data + case.get("body", b"") + case["trailing"]


def reads(data, cuts):
    edges = [0] + [cut for cut in cuts if 0 < cut < len(data)] + [len(data)]
    return [data[a:b] for a, b in zip(edges, edges[1:])]


def generate(seed, number):
    """Case `number` of a seed, whatever ran before it."""
    rng = random.Random(f"{seed}/{number}")
    kind = rng.random()
    if kind < 0.7:
        return frames_case(rng)
    if kind < 0.86:
        return request_case(rng)
    return response_case(rng)
