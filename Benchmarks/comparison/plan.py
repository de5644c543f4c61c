# SPDX-License-Identifier: Apache-2.0
"""What is compared: one cell is one input, one operation and one side."""

import inputs

SIZES = [16, 125, 1024, 16384, 262144, 1048576]


class Cell:
    def __init__(self, section, label, operation, size, arguments, source, contenders=None):
        self.section = section          # heading in the table
        self.label = label              # row, without the size
        self.operation = operation      # the programs' first argument
        self.size = size
        self.arguments = arguments
        self.source = source            # total -> (path, description); None for handshakes
        self.only = contenders          # names, or None for all that have the operation

    def takes(self, contender):
        if self.only is not None and contender.name not in self.only:
            return False
        if contender.given:
            return True
        role = "client" if "client" in self.arguments else "server"
        return self.operation in contender.operations or f"{self.operation}-{role}" in contender.operations


def decode(section, kind, size, chunk="65536", fragments=1, client=False, contenders=None):
    arguments = ["--chunk", chunk] + (["--role", "client"] if client else [])

    def source(total):
        return inputs.make(kind, size, total, fragments=fragments, unmasked=client)

    return Cell(section, kind, "decode", size, arguments, source, contenders)


def encode(section, size, client):
    def source(total):
        return inputs.make("binary", size, total, format="messages")

    return Cell(section, "binary", "encode", size, ["--role", "client" if client else "server"], source)


def deflate(size):
    def source(total):
        return inputs.make("json", size, min(total, 4 << 20), format="messages")

    return Cell("permessage-deflate, JSON, context takeover, level 6", "json", "deflate", size, ["--opcode", "text"], source)


def cells(quick):
    sizes = [125, 16384] if quick else SIZES
    kinds = ["binary", "mixed"] if quick else ["binary", "ascii", "mixed", "cyrillic", "cjk"]
    plan = [decode(f"decode, server, {kind}", kind, size) for kind in kinds for size in sizes]
    plan += [decode("decode, server, one frame a read, binary", "binary", size, chunk="frame") for size in sizes]
    plan += [decode("decode, server, messages in 16 fragments, mixed text", "mixed", size, fragments=16)
             for size in sizes if size >= 1024]
    plan += [decode("decode, client, binary", "binary", size, client=True) for size in sizes]
    plan += [encode("encode, server", size, False) for size in sizes]
    plan += [encode("encode, client", size, True) for size in sizes]
    plan += [deflate(size) for size in ([1024] if quick else [1024, 16384])]
    plan.append(Cell("opening handshake, server: Chrome's request to the 101", "handshake", "handshake", 0, [], None))
    return plan
