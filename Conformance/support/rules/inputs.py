# SPDX-License-Identifier: Apache-2.0
"""The inputs that violate a rule, as frames.tsv and handshakes.tsv have them."""

import collections
import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
MASK = bytes.fromhex("37fa213d")
ROLES = {"client": 1, "server": 2}

Frames = collections.namedtuple("Frames", "rule what code setup frames")
Field = collections.namedtuple("Field", "rule role name value")


def table(name, row):
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        lines = file.read().splitlines()
    return [row(*line.split("\t")) for line in lines if line and not line.startswith("#")]


FRAMES = table("frames.tsv", Frames)
FIELDS = table("handshakes.tsv", Field)


def expression(text):
    """`6162`, `61*300`, `03e8+61*124`."""
    output = b""
    for term in text.split("+"):
        digits, _, count = term.partition("*")
        output += bytes.fromhex(digits) * int(count or 1)
    return output


def wire(row, role):
    """The bytes that a receiver of this role gets."""
    masks = (role == "server") != ("wrong-mask" in row.setup.split())
    output = b""
    for frame in row.frames.split("|"):
        first, length, payload = (*map(expression, frame.split()), b"")[:3]
        if masks:
            length = bytes([length[0] | 0x80]) + length[1:] + MASK
            payload = bytes(byte ^ MASK[index % 4] for index, byte in enumerate(payload))
        output += first + length + payload
    return output


def limits(row):
    """Those that are set, by name."""
    return {name: int(value) for name, _, value in (word.partition("=") for word in row.setup.split()) if value}


def count(rule, door):
    """How many inputs a door is given for a rule, one for each role."""
    frames = 2 * sum(row.rule == rule for row in FRAMES)
    return frames + sum(row.rule == rule and (door != "parsed request" or row.role == "server") for row in FIELDS)
