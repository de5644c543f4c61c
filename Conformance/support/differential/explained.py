# SPDX-License-Identifier: Apache-2.0
"""The explained differences: who is wrong or merely different, by which section, and a predicate that fits no more.

Each entry names the implementation that deviates. A difference between X and Y is explained by an entry about X or
about Y whose predicate holds; what the other one did is presumed right, which the predicate checks as well.
"""

import base64
import codecs
import dataclasses
import struct
import zlib
from typing import Callable

from . import cases, heads


@dataclasses.dataclass
class Frame:
    """A frame as the bytes have it, found without any implementation under test; a length not known yet is -1."""

    fin: bool
    rsv: int
    opcode: int
    masked: bool
    form: int
    length: int
    payload: bytes
    complete: bool


def walk(case):
    """The frames in a case's bytes, up to the first whose length takes it past the end."""
    data, place, frames = case["data"], 0, []
    while place < len(data):
        head = data[place : place + 2]
        if len(head) < 2:
            frames.append(Frame(False, 0, 0, False, 7, 0, b"", False))
            break
        masked, length, form = bool(head[1] & 0x80), head[1] & 0x7F, 7
        at, complete = place + 2, True
        if length >= 126:
            size = 2 if length == 126 else 8
            form, extended = size * 8, data[at : at + size]
            complete = len(extended) == size
            length = int.from_bytes(extended, "big") if complete else -1
            at += size
        key = data[at : at + 4] if masked else b""
        complete = complete and (not masked or len(key) == 4)
        at += 4 if masked else 0
        # The payload that is there, although the frame may go on.
        payload = data[at : at + length] if complete else b""
        complete = complete and len(payload) == length
        if masked and len(key) == 4:
            payload = cases.mask(payload, key)
        frames.append(Frame(bool(head[0] & 0x80), head[0] >> 4 & 7, head[0] & 15, masked, form, length, payload, complete))
        if not complete:
            break
        place = at + length
    return frames


@dataclasses.dataclass
class Context:
    """What a predicate sees: the case, the place of the first difference, what each did there and in all."""

    case: dict
    index: int
    deviant: tuple
    other: tuple
    deviant_events: list
    other_events: list

    def __post_init__(self):
        if self.case["kind"] == "frames":
            self.violation, self.facts = scan(self.case)
        else:
            self.violation, self.facts = None, {}
            self.oddities = heads.oddities(self.case)

    def violates(self, *names):
        """The first violation of the stream is one of these, and it is where the outcomes part."""
        return self.violation is not None and self.violation.name in names and self.violation.index == self.index

    def fields(self, name):
        return [value for field, value in self.case["fields"] if field.lower() == name.lower()]

    def deflate_fault(self):
        """The compressed data has shown a fault by the place where the outcomes part."""
        return any(name.startswith("deflate ") and place <= self.index for name, place in self.facts.items())


def kind(event):
    return event[0] if event else None


@dataclasses.dataclass
class Entry:
    name: str
    deviant: str
    section: str
    text: str
    predicate: Callable[[Context], bool]
    kinds: tuple = ("frames",)
    count: int = 0


ENTRIES = []


def entry(name, deviant, section, text, kinds=("frames",)):
    def add(predicate):
        ENTRIES.append(Entry(name, deviant, section, text, predicate, kinds))
        return predicate

    return add


def explain(case, name_a, events_a, name_b, events_b, found):
    """The entry that explains a difference, or None."""
    index, a, b = found
    for item in ENTRIES:
        if case["kind"] not in item.kinds:
            continue
        if item.deviant == name_a:
            context = Context(case, index, a, b, events_a, events_b)
        elif item.deviant == name_b:
            context = Context(case, index, b, a, events_b, events_a)
        else:
            continue
        if item.predicate(context):
            return item
    return None


@dataclasses.dataclass
class Violation:
    """The first thing in a stream that RFC 6455 forbids, found frame by frame; payload rules where not compressed."""

    name: str
    index: int
    frame: Frame


class Inflater:
    """Says what is odd about the compressed data, with zlib alone."""

    def __init__(self, case):
        peer = "server" if case["role"] == "client" else "client"
        self.bits = case["pmd"][f"{peer}_max_window_bits"]
        self.reset = case["pmd"][f"{peer}_no_context_takeover"]
        self.zlib = None
        self.narrow = None
        self.output = b""

    def feed(self, data, last):
        self.output = b""
        if self.zlib is None:
            self.zlib = zlib.decompressobj(-self.bits)
            self.narrow = zlib.decompressobj(-self.bits) if self.bits < 15 else None
        try:
            self.output = self.zlib.decompress(data)
            try:
                # zlib sees a distance beyond the window only when the bytes have left its output buffer.
                for place in range(len(data)) if self.narrow else ():
                    self.narrow.decompress(data[place : place + 1])
                if last and self.narrow:
                    self.narrow.decompress(b"\x00\x00\xff\xff")
            except zlib.error:
                return "deflate beyond the window"
            if last:
                # Whole only if the four octets gave nothing, being the length of an empty block as RFC 7692 §7.2.1
                # has it, and if a new block may start behind them.
                given = self.zlib.decompress(b"\x00\x00\xff\xff")
                probe = self.zlib.copy()
                whole = not given and not probe.decompress(b"\x01\x00\x00\xff\xff") and probe.eof
        except zlib.error:
            return "deflate broken"
        finding = None
        if self.zlib.eof:
            finding = "deflate ended"
        elif last and not whole:
            finding = "deflate unfinished"
        if last and self.reset:
            self.zlib = self.narrow = None
        return finding


def scan(case):
    """(first violation or None, facts) - facts about what is legal but trips implementations up, by event index."""
    deflate = case["pmd"] is not None
    masked = case["role"] == "server"
    index = 0
    message = None  # (opcode, compressed) of the message under way
    sizes = 0  # of its payloads so far
    tail = b""  # its last two bytes so far
    decoder = None
    facts = {}
    inflater = Inflater(case) if deflate else None
    for frame in walk(case):
        control = frame.opcode >= 8

        def found(name):
            return Violation(name, index, frame), facts

        if frame.opcode in (3, 4, 5, 6, 7) or frame.opcode > 10:
            return found("opcode")
        if frame.rsv and (frame.rsv != 4 or not deflate or control or frame.opcode == 0):
            return found("rsv")
        if control and not frame.fin:
            return found("control fragmented")
        if control and (frame.form != 7 or frame.length > 125):
            return found("not minimal" if 0 <= frame.length <= 125 else "control too long")
        if frame.form == 16 and 0 <= frame.length < 126:
            return found("not minimal")
        if frame.form == 64 and 0 <= frame.length < 65536:
            return found("not minimal")
        if frame.form == 64 and frame.length > 0 and frame.length >> 63:
            return found("length over 63 bits")
        if frame.masked != masked:
            return found("mask")
        if not control:
            if frame.opcode == 0 and message is None:
                return found("continuation without a message")
            if frame.opcode != 0 and message is not None:
                return found("message inside a message")
            if message is None:
                sizes, tail = 0, b""
                message = (frame.opcode, frame.rsv == 4)
                decoder = codecs.getincrementaldecoder("utf-8")() if frame.opcode == 1 else None
            if decoder is not None and not message[1]:
                try:
                    decoder.decode(frame.payload, frame.fin and frame.complete)
                except UnicodeDecodeError:
                    return found("text not UTF-8")
            sizes += len(frame.payload)
            if message[1] and frame.fin and frame.complete and sizes == 0:
                facts.setdefault("compressed to nothing", index)
            output = frame.payload
            if message[1]:
                finding = inflater.feed(frame.payload, frame.fin and frame.complete)
                output = inflater.output
                if finding:
                    facts.setdefault(finding, index)
                elif decoder is not None:
                    try:
                        decoder.decode(output, frame.fin and frame.complete)
                    except UnicodeDecodeError:
                        facts.setdefault("deflate text not UTF-8", index)
            tail = (tail + output)[-2:]
            if message[0] == 1 and tail[:1] == b"\xed" and tail[1:] >= b"\xa0":
                facts.setdefault("start of a surrogate", index)
        if not frame.complete:
            facts.setdefault("incomplete", index)
            break
        if control:
            if message is not None:
                facts.setdefault("control inside compressed" if message[1] else "control inside", index)
                if frame.opcode == 8:
                    facts.setdefault("close inside", index)
            if frame.opcode == 8:
                if len(frame.payload) == 1:
                    return found("close of one byte")
                if frame.payload:
                    code = struct.unpack("!H", frame.payload[:2])[0]
                    facts["close code"] = code
                    if not (1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999):
                        return found("close code")
                    try:
                        frame.payload[2:].decode("utf-8")
                    except UnicodeDecodeError:
                        return found("close reason not UTF-8")
                break
            index += 1
        elif frame.fin:
            index += 1
            message = None
    return None, facts
