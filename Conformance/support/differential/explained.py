# SPDX-License-Identifier: Apache-2.0
"""The explained differences: who is wrong or merely different, by which section, and a predicate that fits no more.

Each entry names the implementation that deviates. A difference between X and Y is explained by an entry about X or
about Y whose predicate holds; what the other one did is presumed right, which the predicate checks as well.
"""

import base64
import dataclasses
import struct
import zlib
from typing import Callable

from . import cases


@dataclasses.dataclass
class Frame:
    """A frame as the bytes have it, found without any implementation under test."""

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
            length = int.from_bytes(extended, "big") if complete else 0
            at += size
        key = data[at : at + 4] if masked else b""
        complete = complete and (not masked or len(key) == 4)
        at += 4 if masked else 0
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
        self.frames = walk(self.case) if self.case["kind"] == "frames" else []

    def fields(self, name):
        return [value for field, value in self.case.get("fields", []) if field.lower() == name.lower()]

    def field(self, name):
        return ", ".join(self.fields(name))


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
