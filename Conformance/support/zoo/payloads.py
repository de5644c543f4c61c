# SPDX-License-Identifier: Apache-2.0
"""The messages that are sent, as files, so that a peer in any language can read them."""

import os
import random

MIB = 1 << 20
#: Characters of four bytes in UTF-8, from the first planes that have them.
FOUR = "\U00010348\U0001f44b\U0001d11e\U00020000\U0010fffd"


def _text(length, seed):
    """A text of exactly this many bytes, with characters of one to four bytes and some repetition."""
    chosen = random.Random(seed)
    words = ["zoo ", "Grüße ", "世界 ", "👋 ", "aaaaaaaa", "\U00010348", "0123456789", "\n", "\t"]
    data = b""
    while len(data) < length:
        data += "".join(chosen.choice(words) for _ in range(1 + length // 16)).encode()
    cut = length
    while cut > 0 and data[cut:cut + 1] and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return data[:cut] + b"x" * (length - cut)


def _binary(length, seed):
    """Bytes of which a half can be compressed."""
    chosen = random.Random(seed)
    data = bytearray()
    while len(data) < length:
        data += chosen.randbytes(97) + bytes([chosen.randrange(256)]) * 97
    return bytes(data[:length])


class Payloads:
    """Writes the files; attributes are pairs of kind and path."""

    def __init__(self, folder):
        self._folder = folder
        os.makedirs(folder, exist_ok=True)
        self.four = [self._file(f"four-{count}", "text", (FOUR * count)[:count].encode())
                     for count in (1, 31, 32, 1000, 16384, 40000)]
        self.empty = [self._file("empty-text", "text", b""), self._file("empty-binary", "binary", b"")]
        self.sizes = {
            name: [
                self._file(f"text-{name}", "text", _text(length, length)),
                self._file(f"binary-{name}", "binary", _binary(length, length)),
            ]
            for name, length in
            (("125", 125), ("126", 126), ("65535", 65535), ("65536", 65536), ("1MiB", MIB))
        }
        self.small = self._file("small", "text", "Grüße, 世界 👋 ".encode() * 20)
        # Longer than the largest window, and with its last third like its first.
        part = _binary(30_000, 7)
        self.window = self._file("window", "binary", part + _binary(20_000, 8) + part)

    def _file(self, name, kind, data):
        path = os.path.join(self._folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return kind, path
